"""What a run says while it works, on stderr: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from adapter_merge.cli.ended import failure, summary
from adapter_merge.cli.screen import plan_screen
from adapter_merge.cli.show import findings_table, labelled, on_stderr
from adapter_merge.figures import nbytes
from adapter_merge.finding import Verdict
from adapter_merge.forecast import Forecast
from adapter_merge.plan import Plan
from adapter_merge.report import ErrorRecord, Report

# A log gets a line each tenth of the work, but not more often than this.
_LOG_SECONDS = 2.0


class Talk:
    """Implements `ports.Reporter` for people; with `quiet` it only speaks of errors."""

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        self._quiet = quiet
        self._console = console or on_stderr()

    def planned(self, plan: Plan, forecast: Forecast) -> None:
        """Show the plan on one screen."""
        if not self._quiet:
            self._console.print(plan_screen(plan, forecast), "")

    def working(self, stage: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Show bytes, rate and time left of a stage."""
        if self._quiet or total == 0:
            return nullcontext(lambda _done: None)
        if self._console.is_interactive:
            return _bar(self._console, stage, total)
        return _lines(self._console, stage, total)

    def judged(self, verdict: Verdict) -> None:
        """Show all findings, the heaviest first."""
        if not self._quiet and verdict.findings:
            self._console.print("", findings_table(verdict.findings), "", sep="\n")

    def finished(self, report: Report) -> None:
        """Show what came of the run."""
        if not self._quiet or report.error is not None:
            self._console.print(summary(report))

    def kept(self, page: Path) -> None:
        """Show where the report can be read again."""
        if not self._quiet:
            self._console.print(labelled([("report", str(page))]))

    def gave_up(self, error: ErrorRecord, command: str) -> None:
        """Show why a command ended where its report can't say so."""
        self._console.print(failure(error, command))


@contextmanager
def _bar(console: Console, stage: str, total: int) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(stage, total=total)
        yield lambda done: progress.advance(task, done)


@contextmanager
def _lines(console: Console, stage: str, total: int) -> Iterator[Callable[[int], None]]:
    log = _Log(console, stage, total)
    yield log.advance
    log.end()


class _Log:
    """Progress as lines; workers may call it from several threads."""

    def __init__(self, console: Console, stage: str, total: int) -> None:
        self._console = console
        self._stage = stage
        self._total = total
        self._done = 0
        self._tenth = 0
        self._begin = self._spoke = time.monotonic()
        self._lock = threading.Lock()

    def advance(self, done: int) -> None:
        """Count bytes, and say so where a tenth of the work and some seconds have passed."""
        with self._lock:
            self._done += done
            tenth = self._done * 10 // self._total
            now = time.monotonic()
            if tenth > self._tenth and now - self._spoke >= _LOG_SECONDS:
                self._tenth, self._spoke = tenth, now
                self._say(now)

    def end(self) -> None:
        """Say the last line."""
        self._say(time.monotonic())

    def _say(self, now: float) -> None:
        rate = self._done / max(now - self._begin, 1e-3)
        share = round(100 * self._done / self._total)
        self._console.print(
            f"{self._stage}: {nbytes(self._done)} of {nbytes(self._total)}, {share} %, {nbytes(int(rate))}/s"
        )
