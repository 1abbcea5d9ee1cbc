"""A merge as a step's log shows it: groups, a line now and then, findings on the run's page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from adapter_merge.figures import counted, guessed, nbytes
from adapter_merge.finding import Outcome, Verdict, by_weight
from adapter_merge.forecast import Forecast
from adapter_merge.github.commands import Kind, Log
from adapter_merge.plan import Plan
from adapter_merge.report import Report

_SECONDS = 10.0  # between two lines of one stage
_LOUD: dict[Outcome, Kind] = {Outcome.FAIL: "error", Outcome.WARN: "warning"}


class Follow:
    """Implements `ports.Reporter` for a step's log."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def planned(self, plan: Plan, forecast: Forecast) -> None:
        """Fold the plan away under a line that says what onto what."""
        adapters = " and ".join(a.source for a in plan.adapters)
        with self._log.group(f"plan: {adapters} onto {plan.base}, to {plan.to}"):
            for line in plan_lines(plan, forecast):
                self._log.say(line)

    @contextmanager
    def working(self, stage: str, total: int) -> Iterator[Callable[[int], None]]:
        """Say how far a stage is."""
        done = _Progress(self._log, stage, total)
        yield done.advance
        done.say()

    def judged(self, verdict: Verdict) -> None:
        """Show all findings in the log, and the loud ones on the run's page."""
        with self._log.group(f"checks: {counted(len(verdict.findings), 'finding')}"):
            for said in by_weight(verdict.findings):
                codes = " ".join(said.codes)
                self._log.say(f"{said.outcome} {codes} {said.subject}: {said.message}")
        for said in by_weight(verdict.findings):
            if (kind := _LOUD.get(said.outcome)) is not None:
                text = f"{said.subject}: {said.message}"
                self._log.annotate(kind, text, title=" ".join(said.codes))

    def finished(self, report: Report) -> None:
        """Say what came of it."""
        if report.error is not None:
            error = report.error
            title = f"{error.type}, exit code {error.code}"
            self._log.annotate("error", f"{error.message}\n{error.hint}", title=title)
            return
        self._log.say(f"{report.status}: {report.to}")
        if report.published is not None:
            self._log.say(f"published: {report.published.url}")


def plan_lines(plan: Plan, forecast: Forecast) -> Iterator[str]:
    """A plan as lines of text."""
    counts = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in plan.counts.items())
    yield counts
    weights = counted(len(plan.shards), "weight file")
    yield f"writes {nbytes(plan.size)}: {weights}, {counted(len(plan.side_files), 'other file')}"
    yield f"needs {nbytes(forecast.needed_bytes)} of disk, has {nbytes(forecast.free_bytes)}"
    if (cache := forecast.cache) is not None:
        needed, free = nbytes(cache.needed_bytes), nbytes(cache.free_bytes)
        yield f"needs {needed} on the disk of the Hub's cache, has {free}"
    traffic = forecast.traffic
    if traffic is not None and traffic.stored_bytes:
        pulled = nbytes(traffic.pulled_bytes)
        yield f"pulls {pulled} of repositories with {nbytes(traffic.stored_bytes)}"
    if traffic is not None and traffic.repo is not None:
        yield f"publishes {nbytes(traffic.added_bytes)} to {traffic.repo}, {traffic.visibility}"
    yield f"takes {guessed(forecast.seconds)}"
    yield from (f"declared: {c.subject}: {c.why}" for c in plan.changes)
    yield f"recipe {plan.recipe}"


class _Progress:
    """Workers may call it from several threads."""

    def __init__(self, log: Log, stage: str, total: int) -> None:
        self._log, self._stage, self._total = log, stage, total
        self._done = 0
        self._spoke = time.monotonic()
        self._lock = threading.Lock()

    def advance(self, done: int) -> None:
        """Count bytes, and say so where nothing was said for a while."""
        with self._lock:
            self._done += done
            if time.monotonic() - self._spoke >= _SECONDS:
                self._spoke = time.monotonic()
                self.say()

    def say(self) -> None:
        """A line with what is done so far."""
        self._log.say(f"{self._stage}: {nbytes(self._done)} of {nbytes(self._total)}")
