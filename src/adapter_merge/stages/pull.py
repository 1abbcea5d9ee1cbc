"""Pull: bring to this disk what a merge reads of repositories on a Hub, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from adapter_merge.plan import Plan
from adapter_merge.sources import Adapter, Base, Sources


def pull_size(plan: Plan, sources: Sources) -> int:
    """Bytes of the files that `pull` sees to, whether or not they are here already."""
    return sum(s.files[p].size for s in _remote(sources) for p in _read(s, plan))


def pull_sizes(plan: Plan, sources: Sources) -> tuple[int, int]:
    """Bytes that aren't here yet of what `pull` sees to, and of all files of those repositories."""
    missing = sum(
        s.files[p].size
        for s in _remote(sources)
        for p in _read(s, plan)
        if s.pinned.is_here is not None and not s.pinned.is_here(p)
    )
    return missing, sum(file.size for s in _remote(sources) for file in s.files.values())


def pull(plan: Plan, sources: Sources, *, advance: Callable[[int], None]) -> None:
    """Have the weights and the side files of a plan here, whole and with the digests that were planned.

    `advance` gets bytes, all of `pull_size` by the end.

    Raises:
        SourceError: a file can't be had, or isn't what it was when the plan was made.
        HubUnavailable: the Hub doesn't answer.
        DiskFull: there is no room for them.
    """
    for source in _remote(sources):
        if source.pinned.have is not None:
            source.pinned.have(_read(source, plan), advance)


def _remote(sources: Sources) -> Iterator[Base | Adapter]:
    everything: tuple[Base | Adapter, ...] = (sources.base, *sources.adapters)
    return (source for source in everything if source.pinned.have is not None)


def _read(source: Base | Adapter, plan: Plan) -> tuple[str, ...]:
    root = source.pinned.root
    weights = {f.name for f in source.checkpoint.files if f.name in source.files}
    copied = {
        file.source.relative_to(root).as_posix()
        for file in plan.side_files
        if file.source is not None and file.source.is_relative_to(root)
    }
    return tuple(sorted(weights | copied))
