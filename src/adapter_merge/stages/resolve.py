"""Resolve a request: find adapter, base and target, pin them, read configs and headers."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from adapter_merge.bases import Search, Verb, choose_base, refuse_quantised
from adapter_merge.checkpoint import Checkpoint, WeightFile
from adapter_merge.errors import Layout, NotFound, RequestError
from adapter_merge.folder import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    all_files,
    list_files,
    read_json,
    read_readme,
    read_receipt,
    sha256,
)
from adapter_merge.layouts import Repo, counting_files
from adapter_merge.layouts.chain import require_whole
from adapter_merge.naming import tied_tensors
from adapter_merge.readme import README
from adapter_merge.receipt import RECEIPT_NAME
from adapter_merge.repository import open_adapter, open_checkpoint
from adapter_merge.request import AdapterRef, RepoRef, Request
from adapter_merge.sources import (
    Adapter,
    AdapterConfig,
    Base,
    Pinned,
    RepoFile,
    Sources,
    Target,
    TargetState,
    parsed,
)
from adapter_merge.weights import read_span, write_error
from adapter_merge.work import standing_card, steady

CONFIG = "config.json"


def resolve(request: Request, *, verb: Verb = "run", cache: Path | None = None) -> Sources:
    """Find and pin everything that the request names; only headers and small files are read.

    `verb` is the command that asks: hints repeat it. `cache` is the Hub's cache on this machine, where
    candidates for a base that isn't there are looked for.

    Raises:
        RequestError: a ref can't be used, or target and sources overlap.
        SourceError: an adapter or the base can't be read.
        Layout: what is named is no adapter, or no base.
        QuantisedBase: the base's weights are quantised.
    """
    adapters = tuple(resolve_adapter(a) for a in request.adapters)
    search = Search(request=request, adapters=adapters, verb=verb, cache=cache)
    base = resolve_base(choose_base(search))
    refuse_quantised(search, base)
    target = _target(request.target, rewritten=verb != "check")
    for source in (base.pinned, *(a.pinned for a in adapters)):
        _keep_apart(target, source)
    return Sources(adapters=adapters, base=base, target=target)


def folder_of(ref: RepoRef) -> Path:
    """The folder that a ref names; ids are refused until there is a Hub edge.

    Raises:
        RequestError: it is an id, or could be one.
    """
    if ref.folder is not None:
        return ref.folder.expanduser().absolute()
    if Path(ref.text).is_dir():
        raise RequestError(
            f"`{ref.text}` is a folder here, and could be a Hub id",
            hint=f"Write `./{ref.text}` for the folder, or `hf://{ref.text}` for the repository.",
        )
    name = (ref.repo or "").rpartition("/")[2]
    revision = f" --revision {shlex.quote(ref.revision)}" if ref.revision else ""
    folder = shlex.quote(f"./{name}/{ref.subfolder}" if ref.subfolder else f"./{name}")
    raise RequestError(
        f"`{ref.text}` is a Hub id, and the Hub edge is not built yet",
        hint=f"`hf download {ref.repo}{revision} --local-dir ./{name}`, then name `{folder}`.",
    )


def resolve_adapter(wanted: AdapterRef) -> Adapter:
    """Read one adapter's config and header."""
    root = folder_of(wanted.ref)
    files = list_files(root)
    if ADAPTER_CONFIG not in files:
        raise _no_adapter(wanted.ref, files)
    return Adapter(
        pinned=Pinned(source=wanted.ref.text, root=root),
        weight=wanted.weight,
        config=parsed(AdapterConfig, read_json(root, ADAPTER_CONFIG), label=wanted.ref.text),
        checkpoint=open_adapter(root),
        files=_adapter_files(root, wanted.ref.text, files),
        readme=read_readme(root) if README in files else None,
    )


def _no_adapter(ref: RepoRef, files: Mapping[str, int]) -> Exception:
    below = sorted(
        (PurePosixPath(p).parent.as_posix() for p in files if p.endswith(f"/{ADAPTER_CONFIG}")),
        key=_by_number,
    )
    if below:
        paths = [f"{ref.text.rstrip('/')}/{b}" for b in below]
        found = ", ".join(f"`{p}`" for p in paths[-8:])
        return NotFound(
            f"`{ref.text}` has no `{ADAPTER_CONFIG}`, but there are adapters below it: {found}",
            hint=f"Name one of them, such as the last: `{shlex.join(['adapter-merge', 'run', paths[-1]])}`.",
        )
    return NotFound(
        f"`{ref.text}` has no `{ADAPTER_CONFIG}`, so it is no adapter",
        hint="Name the folder that PEFT's `save_pretrained` wrote.",
    )


def _by_number(path: str) -> list[tuple[int, str]]:
    """A key that puts `checkpoint-500` before `checkpoint-1000`."""
    return [(int(digits or 0), word) for word, digits in re.findall(r"(\D+)(\d*)", path)]


def _adapter_files(root: Path, source: str, sizes: Mapping[str, int]) -> Mapping[str, RepoFile]:
    counting = counting_files(Repo(origin=source, root=root, files=sizes))
    read = counting | {ADAPTER_CONFIG, ADAPTER_WEIGHTS}
    return {p: _file(root, p, size, counts=p in read) for p, size in sizes.items()}


def resolve_base(ref: RepoRef) -> Base:
    """Read the base's config and headers."""
    root = folder_of(ref)
    files = list_files(root)
    if CONFIG not in files:
        require_whole(Repo(origin="base", root=root, files=files))
        raise _no_config(ref, files)
    config = read_json(root, CONFIG)
    checkpoint = open_checkpoint(root)
    weights = {f.name: f for f in checkpoint.files}
    return Base(
        pinned=Pinned(source=ref.text, root=root),
        config=config,
        checkpoint=checkpoint,
        files=_base_files(root, files, weights),
        tied=tied_tensors(config, checkpoint, equal=lambda a, b: _equal(root, checkpoint, a, b)),
        readme=read_readme(root) if README in files else None,
    )


def _no_config(ref: RepoRef, files: Mapping[str, int]) -> Exception:
    if ADAPTER_CONFIG in files:
        return Layout(
            f"the base `{ref.text}` is itself an adapter",
            hint="Merge that adapter into its own base first, then name the result with `--base`.",
        )
    return NotFound(
        f"the base `{ref.text}` has no `{CONFIG}`; without one, some classes fall back to another size",
        hint="Name the folder of a saved model with `--base`.",
    )


def _base_files(
    root: Path, sizes: Mapping[str, int], weights: Mapping[str, WeightFile]
) -> Mapping[str, RepoFile]:
    counting = counting_files(Repo(origin="base", root=root, files=sizes))
    return {
        p: _weights(root, p, size, weights[p])
        if p in weights
        else _file(root, p, size, counts=p in counting)
        for p, size in sizes.items()
    }


def _weights(root: Path, path: str, size: int, weights: WeightFile) -> RepoFile:
    header = hashlib.sha256(weights.header).hexdigest()
    moment = (root / path).stat().st_mtime_ns
    return RepoFile(path=path, size=size, digest=f"header:{header}:{size}:{moment}")


def _file(root: Path, path: str, size: int, *, counts: bool) -> RepoFile:
    return RepoFile(
        path=path, size=size, digest=f"sha256:{sha256(root / path)}" if counts else None
    )


def _equal(root: Path, checkpoint: Checkpoint, one: str, other: str) -> bool:
    """Whether two tensors of the checkpoint have the same bytes."""
    a, b = checkpoint.tensors[one], checkpoint.tensors[other]
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return False
    chunk = 4 << 20
    return all(
        _span(root, checkpoint, one, at, min(chunk, a.nbytes - at))
        == _span(root, checkpoint, other, at, min(chunk, a.nbytes - at))
        for at in range(0, a.nbytes, chunk)
    )


def _span(root: Path, checkpoint: Checkpoint, tensor: str, at: int, count: int) -> bytearray:
    file, info = checkpoint.file_of[tensor].name, checkpoint.tensors[tensor]
    buffer = bytearray(count)
    fd = os.open(root / file, os.O_RDONLY)
    try:
        read_span(fd, memoryview(buffer), info.start + at, name=file)
    finally:
        os.close(fd)
    return buffer


def _target(ref: RepoRef, *, rewritten: bool) -> Target:
    """The target as it stands; what people wrote in it has to be readable only where it is written anew."""
    if ref.folder is None and ref.repo is not None and "/" not in ref.repo:
        raise RequestError(
            f"`{ref.text}` as a target on a Hub needs an owner",
            hint=f"Write `./{ref.text}` for a folder, or `org/{ref.text}` for a repository.",
        )
    if ref.folder is None and not Path(ref.text).is_dir():
        raise RequestError(
            f"the target `{ref.text}` is a Hub id, and the Hub edge is not built yet",
            hint=f"Merge into a folder with `--to ./{ref.name}`.",
        )
    root = folder_of(ref).resolve()  # a link is followed, so that renames happen where it leads
    try:
        if root.exists() and not root.is_dir():
            raise RequestError(
                f"the target `{ref.text}` is a file", hint="Name a folder with `--to`."
            )
        with steady(root):
            return _standing(ref.text, root, rewritten=rewritten)
    except OSError as e:
        raise write_error(e, name=ref.text) from e


def _standing(source: str, root: Path, *, rewritten: bool) -> Target:
    content = list(root.iterdir()) if root.exists() else []
    receipt = read_receipt(root) if content else None
    sizes = all_files(root) if receipt is not None else {}
    unlisted = set(sizes) - set(receipt.files) - {README, RECEIPT_NAME} if receipt else set()
    if not content:
        state = TargetState.ABSENT
    else:
        state = TargetState.OURS if receipt and not unlisted else TargetState.FOREIGN
    ours = state is TargetState.OURS
    return Target(
        source=source,
        root=root,
        state=state,
        receipt=receipt,
        sizes=sizes,
        readme=standing_card(root) if ours and rewritten else None,
    )


def _keep_apart(target: Target, source: Pinned) -> None:
    goal, other = target.root.resolve(), source.root.resolve()
    if goal.is_relative_to(other) or other.is_relative_to(goal):
        where = "is" if goal == other else "lies inside" if goal.is_relative_to(other) else "holds"
        raise RequestError(
            f"the target `{target.source}` {where} `{source.source}`, which the merge reads",
            hint="Name another folder with `--to`.",
        )
