"""Resolve a request: find adapter, base and target, pin them, read configs and headers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from adapter_merge.bases import (
    NamedBy,
    Search,
    Verb,
    choose_base,
    named_by,
    no_such_base,
    out_of_reach,
    refuse_chain,
    refuse_quantised,
    require_permitted,
)
from adapter_merge.checkpoint import Checkpoint, WeightFile
from adapter_merge.errors import (
    Gated,
    HubUnavailable,
    NotFound,
    NotSafetensors,
    RequestError,
    RevisionMissing,
)
from adapter_merge.folder import (
    ADAPTER_CONFIG,
    ADAPTER_PICKLE,
    ADAPTER_WEIGHTS,
    INDEX,
    read_json,
)
from adapter_merge.layouts import Repo, code_of, counting_files, deciding_files
from adapter_merge.layouts.chain import require_whole
from adapter_merge.naming import tied_tensors
from adapter_merge.ports import Connect, Repository, Surroundings, Unpickle
from adapter_merge.repository import (
    adapter_of,
    checkpoint_of,
    has_pickle,
    not_cached,
    opened,
    read_card,
    small_files,
)
from adapter_merge.request import AdapterRef, RepoRef, Request
from adapter_merge.sources import (
    Adapter,
    AdapterConfig,
    Base,
    Pinned,
    RepoFile,
    Sources,
    Target,
    parsed,
)
from adapter_merge.targets import target_of
from adapter_merge.weights import read_header

CONFIG = "config.json"
_CHUNK = 4 << 20
_ANYWHERE = Surroundings()


def resolve(request: Request, *, verb: Verb = "run", around: Surroundings = _ANYWHERE) -> Sources:
    """Find and pin everything that the request names; only headers and small files are read.

    `verb` is the command that asks: hints repeat it.

    Raises:
        RequestError: a ref can't be used, or target and sources overlap.
        BaseNotNamed: the base may be merged only where the operator names it.
        SourceError: an adapter or the base can't be read.
        Layout: what is named is no adapter, or no base.
        QuantisedBase: the base's weights are quantised.
        HubUnavailable: a Hub doesn't answer.
    """
    unpickle = around.unpickle if request.allow_pickle else None
    adapters = tuple(
        replace(
            resolve_adapter(a, around.hub, unpickle, verb=verb),
            expert_layout=request.expert_layout,
            expert_orientation=request.expert_orientation,
        )
        for a in request.adapters
    )
    search = Search(request=request, adapters=adapters, verb=verb, around=around)
    base, named = _base_of(search)
    refuse_quantised(search, base)
    target = target_of(request, around, rewritten=verb != "check")
    for source in (base.pinned, *(a.pinned for a in adapters)):
        _keep_apart(target, source)
    is_named = named is NamedBy.OPERATOR
    return Sources(adapters=adapters, base=base, target=target, base_is_named=is_named)


def _base_of(search: Search) -> tuple[Base, NamedBy]:
    ref = choose_base(search)
    try:
        repository, named = _permitted(search, ref)
        refuse_chain(search, ref, repository)
        return _read_base(repository, allow_code=search.request.allow_remote_code), named
    except (NotFound, Gated, NotSafetensors, RevisionMissing) as e:
        if ref.folder is not None:
            raise
        raise no_such_base(search, ref, e) from e
    except HubUnavailable as e:
        raise out_of_reach(search, e) from e


def _permitted(search: Search, ref: RepoRef) -> tuple[Repository, NamedBy]:
    """The base opened, where it may be merged, and who named it."""
    hub = search.around.hub
    try:
        repository = opened(ref, hub)
    except RevisionMissing:
        if named_by(search.request, ref) is not NamedBy.OPERATOR:
            # An adapter must not find out which revisions a private base has.
            main = ref.model_copy(update={"revision": None})
            require_permitted(search, main, opened(main, hub).pinned)
        raise
    return repository, require_permitted(search, ref, repository.pinned)


def resolve_adapter(
    wanted: AdapterRef,
    hub: Connect | None = None,
    unpickle: Unpickle | None = None,
    *,
    verb: Verb = "run",
) -> Adapter:
    """Read one adapter's config and header; with `unpickle` its weights may be a pickle, which is converted."""
    repository = opened(wanted.ref, hub)
    if ADAPTER_CONFIG not in repository.files:
        raise _no_adapter(wanted.ref, repository, verb)
    repository.have((ADAPTER_CONFIG,))
    root = repository.pinned.root
    repo = _repo(repository, wanted.ref.text)
    _bring(repository, repo)
    converted = _converted(repository, unpickle)
    return Adapter(
        pinned=repository.pinned,
        weight=wanted.weight,
        config=parsed(AdapterConfig, read_json(root, ADAPTER_CONFIG), label=wanted.ref.text),
        checkpoint=adapter_of(repository) if converted is None else _checkpoint(converted),
        files=_adapter_files(repository, repo, pickled=converted is not None),
        readme=read_card(repository),
        converted=converted,
    )


def _converted(repository: Repository, unpickle: Unpickle | None) -> Path | None:
    """Where weights lie that were converted from a pickle; None where there was nothing to convert, or no leave."""
    if unpickle is None or not has_pickle(repository):
        return None
    repository.have((ADAPTER_PICKLE,))
    pinned = repository.pinned
    return unpickle(pinned.root / ADAPTER_PICKLE, label=pinned.source)


def _checkpoint(converted: Path) -> Checkpoint:
    return Checkpoint(files=(read_header(converted, name=ADAPTER_WEIGHTS),), index=None)


def _repo(repository: Repository, origin: str) -> Repo:
    return Repo(origin=origin, pinned=repository.pinned, files=repository.files)


def _bring(repository: Repository, repo: Repo) -> None:
    """Have the small files here together: asked for one by one, each would be waited for."""
    deciding = deciding_files(repo)
    repository.have(sorted(deciding.intersection(small_files(repository.files))))


def _no_adapter(ref: RepoRef, repository: Repository, verb: Verb) -> Exception:
    inside = [p for p in repository.files if p.endswith(f"/{ADAPTER_CONFIG}")]
    below = sorted((PurePosixPath(p).parent.as_posix() for p in inside), key=_by_number)
    if below:
        # Of an id without an owner the folder would be read as the name.
        lone = ref.repo is not None and "/" not in ref.repo and ref.revision is None
        start = f"{ref.text}@main" if lone else ref.text
        paths = [f"{start.rstrip('/')}/{b}" for b in below]
        found = ", ".join(f"`{p}`" for p in paths[-8:])
        words = ("--adapter",) if verb == "check" else ("adapter-merge", verb)
        return NotFound(
            f"`{ref.text}` has no `{ADAPTER_CONFIG}`, but there are adapters below it: {found}",
            hint=f"Name one of them, such as the last: `{shlex.join([*words, paths[-1]])}`.",
        )
    if repository.pinned.offline:
        return not_cached(repository.pinned, f"`{ADAPTER_CONFIG}` of `{ref.text}` isn't")
    return NotFound(
        f"`{ref.text}` has no `{ADAPTER_CONFIG}`, so it is no adapter",
        hint="Name what PEFT's `save_pretrained` wrote: a folder, or a repository on the Hub.",
    )


def _by_number(path: str) -> list[tuple[int, str]]:
    """A key that puts `checkpoint-500` before `checkpoint-1000`."""
    return [(int(digits or 0), word) for word, digits in re.findall(r"(\D+)(\d*)", path)]


def _adapter_files(repository: Repository, repo: Repo, *, pickled: bool) -> Mapping[str, RepoFile]:
    weights = ADAPTER_PICKLE if pickled else ADAPTER_WEIGHTS
    read = counting_files(repo) | {ADAPTER_CONFIG, weights}
    return {p: _file(repository, p, counts=p in read) for p in repository.files}


def resolve_base(ref: RepoRef, hub: Connect | None = None, *, allow_code: bool = False) -> Base:
    """Read the base's config and headers; with `allow_code` the result may have the code that it names."""
    return _read_base(opened(ref, hub), allow_code=allow_code)


def _read_base(repository: Repository, *, allow_code: bool) -> Base:
    repo = _repo(repository, "base")
    if CONFIG not in repository.files:
        if repository.pinned.offline:
            raise not_cached(
                repository.pinned, f"`{CONFIG}` of the base `{repository.pinned.source}` isn't"
            )
        require_whole(repo)
        raise NotFound(
            f"the base `{repository.pinned.source}` has no `{CONFIG}`; without one, some classes fall back to "
            "another size",
            hint="Name a saved model with `--base`.",
        )
    repository.have([p for p in (CONFIG, INDEX) if p in repository.files])
    config = read_json(repository.pinned.root, CONFIG)
    checkpoint = checkpoint_of(repository)
    _bring(repository, repo)
    repo = replace(repo, code=code_of(repo)) if allow_code else repo
    return Base(
        pinned=repository.pinned,
        config=config,
        checkpoint=checkpoint,
        files=_base_files(repository, repo, {f.name: f for f in checkpoint.files}),
        tied=tied_tensors(
            config, checkpoint, equal=lambda a, b: _equal(repository, checkpoint, a, b)
        ),
        readme=read_card(repository),
        code=repo.code,
    )


def _base_files(
    repository: Repository, repo: Repo, weights: Mapping[str, WeightFile]
) -> Mapping[str, RepoFile]:
    read = counting_files(repo) | weights.keys()
    return {
        p: _file(repository, p, counts=p in read, weights=weights.get(p)) for p in repository.files
    }


def _file(
    repository: Repository, path: str, *, counts: bool, weights: WeightFile | None = None
) -> RepoFile:
    digest = repository.digest(path, weights) if counts else None
    return RepoFile(path=path, size=repository.files[path], digest=digest)


def _equal(repository: Repository, checkpoint: Checkpoint, one: str, other: str) -> bool:
    """Whether two tensors of the checkpoint have the same bytes."""
    a, b = checkpoint.tensors[one], checkpoint.tensors[other]
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return False

    def span(name: str, at: int) -> bytes:
        info = checkpoint.tensors[name]
        count = min(_CHUNK, info.nbytes - at)
        return repository.span(checkpoint.file_of[name].name, info.start + at, count)

    return all(span(one, at) == span(other, at) for at in range(0, a.nbytes, _CHUNK))


def _keep_apart(target: Target, source: Pinned) -> None:
    if target.remote is not None and target.remote.repo == source.repo:
        raise RequestError(
            f"the target `{target.source}` is `{source.source}`, which the merge reads",
            hint=f"Name another repository: `--to {target.remote.repo}-merged`.",
        )
    goal, other = target.root.resolve(), source.root.resolve()
    if goal.is_relative_to(other) or other.is_relative_to(goal):
        where = "is" if goal == other else "lies inside" if goal.is_relative_to(other) else "holds"
        raise RequestError(
            f"the target `{target.source}` {where} `{source.source}`, which the merge reads",
            hint="Name another folder with `--to`.",
        )
