"""The merged layout: one set of merged weights, and everything else as the base has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from adapter_merge.layouts.choices import Choices
from adapter_merge.layouts.config import ConfigEdits
from adapter_merge.layouts.edited import edited
from adapter_merge.layouts.licences import Licence, licences
from adapter_merge.layouts.repo import Repo
from adapter_merge.layouts.rewrite import Rewrite
from adapter_merge.layouts.side import Side
from adapter_merge.layouts.wishes import Wishes
from adapter_merge.plan import LeftBehind, SideFile
from adapter_merge.sources import Sources

# A source and what becomes of its files: path -> why it is left behind, None where it isn't.
_Sorted: TypeAlias = tuple[Repo, Mapping[str, str | None]]


class Merged:
    """Merged weights, no adapter file; side files of the base, or of the adapter by whole families."""

    merges = True

    def settings(self, sources: Sources, wishes: Wishes) -> Mapping[str, str]:
        """Nothing but what the request says."""
        return {}

    def side(
        self,
        sources: Sources,
        edits: ConfigEdits,
        weight_files: frozenset[str],
        wishes: Wishes,
    ) -> Side:
        """Decide on every file of base and adapters; nothing is written.

        Args:
            sources: base and adapters; small files of theirs are read.
            edits: what the merged weights ask of `config.json`.
            weight_files: the base's weight files and index, which are planned elsewhere.
            wishes: what the request asks of the side files.

        Raises:
            Corrupt: a JSON file that has to be read isn't valid.
        """
        base = Repo.of(sources.base)
        adapters = tuple(Repo.of(a) for a in sources.adapters)
        choices = Choices.of(
            base,
            adapters,
            given_template=wishes.chat_template is not None,
            new_head=edits.architecture is not None,
        )
        terms = tuple(licences(base, adapters))
        taken = [(a, _with_terms(a, choices.fates(a), terms)) for a in adapters]
        kept = _fates_of_base(choices.fates(base), sources, weight_files, _paths(taken))
        rewrites = edited(base, choices, edits, wishes)
        sorted_out = ((base, kept), *taken)
        renamed = [t.file for t in terms if t.file is not None]
        files = {f.path: f for f in (*_copies(sorted_out), *renamed, *map(_made, rewrites))}
        return Side(
            files=tuple(files[path] for path in sorted(files)),
            left_behind=tuple(_left_behind(sorted_out)),
            changes=(
                *choices.changes(base),
                *(t.change for t in terms if t.change is not None),
                *(c for r in rewrites for c in r.changes),
            ),
        )


def _with_terms(
    repo: Repo, fates: Mapping[str, str | None], terms: Iterable[Licence]
) -> Mapping[str, str | None]:
    """An adapter's files without the licence files that the result has under a name of its own choice."""
    own = {t.path: t for t in terms if t.repo is repo}
    left = {path: own[path].why if path in own else why for path, why in fates.items()}
    return {path: why for path, why in left.items() if path not in own or not own[path].name}


def _paths(sources: Iterable[_Sorted]) -> frozenset[str]:
    return frozenset(path for _, fates in sources for path, why in fates.items() if why is None)


def _fates_of_base(
    fates: Mapping[str, str | None],
    sources: Sources,
    weight_files: frozenset[str],
    taken: frozenset[str],
) -> Mapping[str, str | None]:
    """The base's files but for the planned ones; a path that an adapter's file takes is its."""
    shadowed = dict.fromkeys(
        sources.base.checkpoint.shadowed, "a second set of weights, which is not merged"
    )
    replaced = dict.fromkeys(taken, "a file of the adapter stands in its place")
    return {
        path: shadowed.get(path) or why or replaced.get(path)
        for path, why in fates.items()
        if path not in weight_files
    }


def _copies(sources: Iterable[_Sorted]) -> Iterator[SideFile]:
    for repo, fates in sources:
        for path in (p for p, why in fates.items() if why is None):
            yield SideFile(
                path=path,
                source=repo.root / path,
                content=None,
                size=repo.files[path],
                origin=repo.origin,
            )


def _made(made: Rewrite) -> SideFile:
    size = len(made.content)
    return SideFile(
        path=made.path, source=None, content=made.content, size=size, origin=made.origin
    )


def _left_behind(sources: Iterable[_Sorted]) -> Iterator[LeftBehind]:
    for repo, fates in sources:
        for path, why in sorted(fates.items()):
            if why is not None:
                yield LeftBehind(path=path, size=repo.files[path], origin=repo.origin, why=why)
