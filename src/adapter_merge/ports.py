"""What the stages need from the outside, as protocols; the edges implement them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from adapter_merge.finding import Verdict
from adapter_merge.forecast import Forecast
from adapter_merge.plan import Plan
from adapter_merge.probed import Probed
from adapter_merge.report import Report
from adapter_merge.sources import Sources


class Reporter(Protocol):
    """Shows a run to the person who waits for it; never part of the result."""

    def planned(self, plan: Plan, forecast: Forecast) -> None:
        """The plan is final."""
        ...

    def working(self, stage: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """A stage begins that handles `total` bytes; call the value with bytes done since."""
        ...

    def judged(self, verdict: Verdict) -> None:
        """All checks have run."""
        ...

    def finished(self, report: Report) -> None:
        """The run is over, well or not."""
        ...


class Encoder(Protocol):
    """Runs models: base with adapters, and what was made of them."""

    def probe(
        self, plan: Plan, sources: Sources, merged: Path, *, advance: Callable[[int], None]
    ) -> Probed:
        """Run both on the same inputs and measure; a model that can't be run is an answer, never an exception.

        `advance` gets bytes of the plan's tensors, all of them by the end.
        """
        ...


class Silent:
    """A reporter that shows nothing."""

    def planned(self, plan: Plan, forecast: Forecast) -> None:
        """Show nothing."""

    def working(self, stage: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Show nothing."""
        return nullcontext(lambda _done: None)

    def judged(self, verdict: Verdict) -> None:
        """Show nothing."""

    def finished(self, report: Report) -> None:
        """Show nothing."""
