"""What is known of each merge that the bot looks after, as it is kept and shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from adapter_merge.bot.order import Progress

State = Literal[
    "waiting",  # its adapter isn't finished, or its next try is still to come
    "queued",
    "running",
    "merged",
    "unchanged",
    "skipped",
    "failed",
    "dead",  # tried as often as is allowed; a new push, or `bot retry`, has it tried again
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """What became of a merge once."""

    at: datetime
    state: State
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One target as the bot sees it; times are in UTC.

    Attributes:
        target: as merges.yaml writes it.
        adapters: as they are written there, each with `@commit` where one is known.
        base: in the same way; None where it isn't known yet.
        state: see there.
        reason: why it is so, in a sentence.
        notes: what else is to be known.
        at: since when.
        until: when it is looked at again at the latest; None for the next round.
        tries: failed ones in a row, of the same contents.
        tried: what was tried, as a digest of the decision; None before the first failure.
        progress: of a run.
        started: of the run that goes on, or was the last one.
        url: of the merged repository, or of the run elsewhere.
        commit: of the result that stands.
        past: newest first, the last twenty.
    """

    target: str
    adapters: tuple[str, ...] = ()
    base: str | None = None
    state: State = "waiting"
    reason: str = ""
    notes: tuple[str, ...] = ()
    at: datetime
    until: datetime | None = None
    tries: int = 0
    tried: str | None = None
    progress: Progress | None = None
    started: datetime | None = None
    url: str | None = None
    commit: str | None = None
    past: tuple[Past, ...] = ()
