"""`merges.yaml`: which adapters are to be merged into which targets, and how."""

from __future__ import annotations

from adapter_merge.merges.read import MERGES, read_merges, roster_of
from adapter_merge.merges.spec import Defaults, Entry, Merges, Terms, Watch
from adapter_merge.merges.wanted import Roster, Wanted, Watched
from adapter_merge.merges.write import written

__all__ = [
    "MERGES",
    "Defaults",
    "Entry",
    "Merges",
    "Roster",
    "Terms",
    "Wanted",
    "Watch",
    "Watched",
    "read_merges",
    "roster_of",
    "written",
]
