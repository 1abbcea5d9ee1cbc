"""What a property costs: its cases, their seconds, and how far the process grew in one of them at most.

Growth is counted within a case, from what the process holds when it begins to its peak: between them the
memory of hypothesis grows, too, which remembers what it has tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_MEMORY = 200_000_000  # bytes, for one case
MOST_SECONDS = 20  # for one case
_PROCESS = Path("/proc/self")


@dataclass(kw_only=True)
class Cost:
    """Of all the cases of one property, in this process."""

    cases: int = 0
    seconds: float = 0
    slowest: float = 0
    memory: int = 0

    def count(self, inner: Callable[..., None]) -> Callable[..., None]:
        """A property that is measured."""

        def measured(*args: Any, **kwargs: Any) -> None:
            _forget_the_peak()
            before, start = _resident("VmRSS"), time.monotonic()
            try:
                inner(*args, **kwargs)
            finally:
                took = time.monotonic() - start
                self.memory = max(self.memory, _resident("VmHWM") - before)
                self.cases += 1
                self.seconds += took
                self.slowest = max(self.slowest, took)

        return measured

    def line(self) -> str:
        """The cost for people."""
        return (
            f"{self.cases:6d} cases {self.seconds:4.0f} s, slowest {self.slowest:5.2f} s, "
            f"most memory {self.memory / 1e6:3.0f} MB"
        )


def measured(property_: Any) -> Iterator[Cost]:
    """Measure a hypothesis test while it runs, and fail where it took too much."""
    cost = Cost()
    inner = property_.hypothesis.inner_test
    property_.hypothesis.inner_test = cost.count(inner)
    try:
        yield cost
    finally:
        property_.hypothesis.inner_test = inner
    assert cost.memory < MOST_MEMORY, cost.line()
    assert cost.slowest < MOST_SECONDS, cost.line()


def _resident(mark: str) -> int:
    """Resident memory in bytes, now (`VmRSS`) or at its peak (`VmHWM`); 0 where Linux doesn't say."""
    status = _PROCESS / "status"
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{mark}:"))


def _forget_the_peak() -> None:
    """Let the peak begin anew; see `clear_refs` in proc(5)."""
    peak = _PROCESS / "clear_refs"
    if peak.exists():
        peak.write_text("5")
