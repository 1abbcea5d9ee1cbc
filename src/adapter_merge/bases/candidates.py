"""What an adapter's base may be: every name that speaks of it, in order, with where it came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from adapter_merge.readme import Readme
from adapter_merge.request import RepoRef
from adapter_merge.sources import Adapter, Pinned
from adapter_merge.written import Written, read_written

# Strangers write revisions too: nothing that leads out of a folder, or that a command takes for an option.
_REVISION = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)*", re.ASCII)

# A repository and its card.
Card: TypeAlias = tuple[Pinned, Readme | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One model that may be the base.

    Attributes:
        base: its name, without what speaks of quantised weights.
        origin: in words who names it, and how it was read.
        stranger: whether a repository on a Hub names it, not the request or a folder.
        revision: the one that is wanted, where its name came with one.
    """

    base: Written
    origin: str
    stranger: bool = False
    revision: str | None = None

    @property
    def title(self) -> str:
        """The id, or where none is known the name."""
        return self.base.repo or self.base.name


def candidates(
    adapters: Iterable[Adapter], *, given: RepoRef | None = None, quantised: Iterable[Card] = ()
) -> tuple[Candidate, ...]:
    """All candidates, each model once, quantised names read as what they were made from.

    `given` is the base that the request names, `quantised` the cards of bases that can't be merged into.
    """
    found: dict[str, Candidate] = {}
    for candidate in _named(tuple(adapters), given, quantised):
        found.setdefault(candidate.title.lower(), candidate)
    with_id = {c.base.name.lower() for c in found.values() if c.base.repo is not None}
    return tuple(
        c for c in found.values() if c.base.repo is not None or c.base.name.lower() not in with_id
    )


def _named(
    adapters: tuple[Adapter, ...], given: RepoRef | None, quantised: Iterable[Card]
) -> Iterator[Candidate]:
    if given is not None:
        text = given.repo or given.text
        yield from _read(text, "given as `--base`", revision=given.revision)
    for adapter in adapters:
        config = adapter.config
        who, stranger = f"named by `{adapter.pinned.source}`", adapter.pinned.repo is not None
        wrote = config.base_model_name_or_path
        yield from _read(wrote, who, stranger=stranger, revision=config.revision)
    for pinned, readme in (*quantised, *((a.pinned, a.readme) for a in adapters)):
        if readme is not None:
            who = f"`base_model` in the card of `{pinned.source}`"
            for text in readme.texts("base_model"):
                yield from _read(text, who, stranger=pinned.repo is not None)


def _read(
    text: str | None, who: str, *, stranger: bool = False, revision: str | None = None
) -> Iterator[Candidate]:
    written = read_written(text)
    if written is None:
        return
    how = ["the end of a path"] if written.path else []
    how += [f"without `{written.quantised}`"] if written.quantised else []
    yield Candidate(
        base=written.plain,
        origin=", ".join([who, *how]),
        stranger=stranger,
        revision=None if how else safe_revision(revision),
    )


def safe_revision(revision: str | None) -> str | None:
    """A revision as a config may name one; None for the main branch, and for what can't be one."""
    if revision in {None, "main"} or _REVISION.fullmatch(revision or "") is None:
        return None
    return revision
