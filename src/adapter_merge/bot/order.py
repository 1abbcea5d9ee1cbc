"""One merge that is due, and whoever has it done: what all three ways of dispatch share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Literal, Protocol

Outcome = Literal["merged", "unchanged", "skipped", "failed", "stopped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Needs:
    """What a merge asks of the machine that does it, from its plan; None where that isn't known.

    Attributes:
        memory_bytes: at its peak.
        disk_bytes: that must be free, cache and work folder together.
        moved_bytes: that are read from a Hub, and written to it.
    """

    memory_bytes: int | None = None
    disk_bytes: int | None = None
    moved_bytes: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """One merge that is due.

    Attributes:
        target: as merges.yaml writes it.
        adapters: ids on a Hub -> the commit that was found due; whoever merges looks again, so it is a hint.
        document: a merges.yaml with this entry alone, complete.
        needs: see there.
    """

    target: str
    adapters: Mapping[str, str]
    document: str
    needs: Needs = field(default_factory=Needs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a stage of a merge is, in the stage's own units, mostly bytes."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """What became of an order.

    Attributes:
        outcome: as far as the dispatch knows; the target itself is read again afterwards.
        reason: why, in a sentence; of a failure what happened and what to do.
        code: the exit code of the program, where one ran.
        again: whether the same order may succeed later: a Hub that didn't answer, or a process that somebody
            killed, which says nothing of the merge; and nothing else.
        url: where people see the run; None where it ran here.
        report: the run's report as JSON; None where it isn't known.
    """

    outcome: Outcome
    reason: str = ""
    code: int | None = None
    again: bool = False
    url: str | None = None
    report: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ears:
    """Who is told while an order is carried out.

    Attributes:
        line: gets each line of the run's log, without tokens.
        progress: gets how far it is.
        url: gets where people see it, once that is known.
        stop: set when the order shall end early, with its debris cleaned.
    """

    line: Callable[[str], None]
    progress: Callable[[Progress], None]
    url: Callable[[str], None]
    stop: Event


class Dispatch(Protocol):
    """A place where merges are done."""

    name: Literal["local", "github", "jobs"]

    def carry_out(self, order: Order, ears: Ears) -> Ended:
        """Have a merge done, and wait for its end; what goes wrong is in the result, never raised."""

    def clean(self) -> None:
        """Take away what a dispatch left that was killed: processes, folders, and waits for runs."""
