"""How the bot is, in facts: what health, figures and pages are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How the bot is, in facts that nobody has judged yet; times are in UTC.

    Attributes:
        started: since when it runs.
        interval: from one look at the Hub to the next, at the longest.
        looked: when the last round ended that saw all it wanted to see; None before the first.
        trouble: why the newest round didn't; None where it did.
        paused: whether somebody told it to merge nothing for now.
        gone: threads that should run and have ended.
        free_bytes: where it keeps its state; None where that can't be told.
        floor_bytes: that have to be free there.
        queued: targets that wait for their turn.
        running: merges that go on.
        dead: targets that were tried as often as is allowed.
        ended: merges since the start, by what became of them.
        seconds: of those merges, by stage.
    """

    started: datetime
    interval: timedelta
    looked: datetime | None = None
    trouble: str | None = None
    paused: bool = False
    gone: tuple[str, ...] = ()
    free_bytes: int | None = None
    floor_bytes: int = 0
    queued: int = 0
    running: int = 0
    dead: int = 0
    ended: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
