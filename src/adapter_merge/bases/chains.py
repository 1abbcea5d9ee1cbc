"""A base that is itself an adapter: which merges, in which order, would get to a model."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from adapter_merge.bases.advice import command
from adapter_merge.bases.nearby import there
from adapter_merge.bases.search import Search
from adapter_merge.errors import AdapterMergeError, Layout
from adapter_merge.folder import (
    ADAPTER_CONFIG,
    ADAPTER_PICKLE,
    ADAPTER_WEIGHTS,
    INDEX,
    SINGLE,
    read_json,
)
from adapter_merge.ports import Connect, Repository
from adapter_merge.repository import opened
from adapter_merge.request import RepoRef
from adapter_merge.sources import Pinned
from adapter_merge.written import read_written

_LONGEST = 8  # adapters; real chains have two


@dataclass(frozen=True, kw_only=True, slots=True)
class _Link:
    """An adapter that stands where a base should be."""

    ref: RepoRef
    pinned: Pinned


def refuse_chain(search: Search, ref: RepoRef, repository: Repository) -> None:
    """Refuse a base that is an adapter, with the commands that merge such a chain from its inner end.

    Raises:
        Layout: it is one.
    """
    if not _is_adapter(repository):
        return
    seen = [_identity(adapter.pinned) for adapter in search.adapters]
    chain: list[_Link] = []
    for link in _chain(ref, repository, search.around.hub):
        if _identity(link.pinned) in seen:
            raise _loop(search, [*chain, link])
        seen.append(_identity(link.pinned))
        chain.append(link)
    raise Layout(
        f"the base {_listed(chain)} is itself an adapter",
        hint=f"Merge the inner one first: {_commands(search, chain)}.",
    )


def _is_adapter(repository: Repository) -> bool:
    files = repository.files
    if ADAPTER_CONFIG not in files:
        return False
    # Some tools leave the base's `config.json` beside an adapter.
    alone = {ADAPTER_WEIGHTS, ADAPTER_PICKLE} & files.keys() and not {SINGLE, INDEX} & files.keys()
    return "config.json" not in files or bool(alone)


def _identity(pinned: Pinned) -> str:
    if pinned.repo is None:
        return str(pinned.root.resolve())
    return f"{pinned.repo}/{pinned.subfolder or ''}".lower()


def _chain(ref: RepoRef, repository: Repository, hub: Connect | None) -> Iterator[_Link]:
    """The adapters from the outer end, as far as they name each other and can be opened."""
    for _ in range(_LONGEST):
        yield _Link(ref=ref, pinned=repository.pinned)
        try:
            following = _named(repository)
            if following is None:
                return
            ref, repository = following, opened(following, hub)
            if not _is_adapter(repository):
                return
        except AdapterMergeError:
            return


def _named(repository: Repository) -> RepoRef | None:
    """The base that an adapter names, where it leads to one; only a folder's adapter may name a folder."""
    repository.have((ADAPTER_CONFIG,))
    text = read_json(repository.pinned.root, ADAPTER_CONFIG).get("base_model_name_or_path")
    if not isinstance(text, str) or not text.strip():
        return None
    text = text.strip()
    folder = there(text)
    if repository.pinned.repo is None and folder is not None and folder.is_dir():
        return RepoRef(text=_as_folder(text), folder=Path(text))
    written = read_written(text)
    if written is None or written.repo is None or written.path:
        return None
    try:
        return RepoRef.model_validate(f"hf://{text.removeprefix('hf://')}")
    except ValidationError:
        return None


def _as_folder(text: str) -> str:
    return text if text.startswith((".", "/", "~")) else f"./{text}"


def _commands(search: Search, chain: list[_Link]) -> str:
    """The commands, the innermost merge first; each takes the result of the one before it as its base."""
    target = search.request.target
    taken = {target.text.rstrip("/")}
    base: str | None = None
    commands: list[str] = []
    for link in reversed(chain):
        result = _free(f"./{link.ref.name}-merged", taken)
        onto = [] if base is None else ["--base", base]
        merge = ["adapter-merge", "run", _plain(link.ref), *onto, "--to", result]
        commands.append(shlex.join(merge))
        base = result
    return ", then ".join(f"`{c}`" for c in [*commands, command(search, str(base))])


def _plain(ref: RepoRef) -> str:
    """The shortest text that leads there from here."""
    bare = ref.text.removeprefix("hf://")
    return ref.text if ref.folder is not None or there(bare) is not None else bare


def _free(folder: str, taken: set[str]) -> str:
    names = [folder, *(f"{folder}-{number}" for number in range(2, _LONGEST + 3))]
    free = next(name for name in names if name not in taken)
    taken.add(free)
    return free


def _listed(chain: list[_Link]) -> str:
    named = [f"`{_plain(link.ref)}`" for link in chain]
    return ", whose base is ".join(named)


def _loop(search: Search, chain: list[_Link]) -> Layout:
    return Layout(
        f"`{search.adapters[0].pinned.source}` leads in a circle: its base is {_listed(chain)}, and all of them "
        "are adapters",
        hint=f"Name the model that the first of them was trained on: `{command(search, './folder')}`.",
    )
