"""What a merge will ask of the machine, for the person who waits for it: guesses, never promises."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """Guesses from the plan and from what was measured elsewhere; where a GPU computes, memory is short of what it takes.

    Attributes:
        memory_bytes: resident memory of the process at its peak.
        needed_bytes: what must be free on the target's file system; an old target goes last.
        free_bytes: what is free there.
        seconds: the whole run, with files in the page cache; a slow disk takes longer.
    """

    memory_bytes: int
    needed_bytes: int
    free_bytes: int
    seconds: float
