"""What `serve` is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """How a bot works.

    Attributes:
        merges: the list of adapters and targets.
        state: the folder that it keeps its queue, records and logs in; one process owns it.
        every: from one look at everything to the next, at the longest.
        parallel: merges at one time.
        audit: the file of decisions; None for none.
        floor_bytes: that have to be free where the state lies.
        first_wait: after the first try at which the Hub didn't answer.
    """

    merges: Path
    state: Path
    every: timedelta = timedelta(minutes=5)
    parallel: int = 1
    audit: Path | None = None
    floor_bytes: int = 1 << 30
    first_wait: timedelta = timedelta(minutes=1)
