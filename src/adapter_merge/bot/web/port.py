"""What the web asks of the bot; all of it answers at once, from memory, and may be asked by any thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from adapter_merge.bot.record import Record


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


class Watching(Protocol):
    """Which repositories count; ids are compared as the Hub does, whatever their case."""

    def watches(self, repo: str, ref: str | None = None) -> bool:
        """Whether it counts that a ref such as `refs/heads/main` moved there; without one, whether any does."""

    def outputs(self, repo: str) -> bool:
        """Whether the bot itself writes there."""


class Bot(Watching, Protocol):
    """The bot as the web sees it."""

    def hint(self, repo: str) -> bool:
        """Have a repository looked at soon, and never wait for it.

        False where that was to happen anyway, as another hint came just before: nothing is lost by it.
        A hint that a crash loses is made good by the next round.
        """

    def standing(self) -> Standing:
        """How the bot is."""

    def records(self) -> tuple[Record, ...]:
        """All merges that it looks after."""
