"""`merges.yaml`: which adapters are to be merged into which targets, and how."""

from __future__ import annotations

from adapter_merge.merges.read import MERGES, read_merges, wanted_of
from adapter_merge.merges.spec import Defaults, Entry, Merges, Terms, Wanted

__all__ = [
    "MERGES",
    "Defaults",
    "Entry",
    "Merges",
    "Terms",
    "Wanted",
    "read_merges",
    "wanted_of",
]
