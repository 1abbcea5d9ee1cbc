"""What `bot job` tells whoever had it started: a line of JSON for each thing, between lines for people."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapter_merge.bot.order import Progress
from adapter_merge.finding import Verdict
from adapter_merge.forecast import Forecast
from adapter_merge.kept import report_line
from adapter_merge.plan import Plan
from adapter_merge.ports import Reporter
from adapter_merge.report import Report

_KEY = "adapter-merge"
_START = f'{{"{_KEY}":'
_SECONDS = 1.0  # between two lines of one stage


def told_progress(progress: Progress) -> str:
    """The line that says how far a stage is."""
    return f'{_START} {{"progress": {json.dumps(asdict(progress))}}}}}'


def told_report(report: Report) -> str:
    """The line with what came of an entry."""
    return f'{_START} {{"report": {report_line(report)}}}}}'


class _Stage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    stage: str = Field(max_length=100)
    done: int = Field(ge=0)
    total: int = Field(ge=0)


class _Things(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    progress: _Stage | None = None
    report: dict[str, Any] | None = None


def read(line: str) -> Progress | Mapping[str, Any] | None:
    """What such a line says, progress or a report; None of a line for people, or of one that only looks alike."""
    if not line.startswith(_START):
        return None
    try:
        things = _Things.model_validate_json(line[len(_START) :].rstrip().removesuffix("}"))
    except ValidationError:
        return None
    if things.progress is None:
        return things.report
    at = things.progress
    return Progress(stage=at.stage, done=at.done, total=at.total)


class Telling:
    """Implements `ports.Reporter`: tells programs how far it is, and people all that another one does.

    Args:
        people: who talks to them.
        write: gets each line for programs; called by one thread at a time.
    """

    def __init__(self, people: Reporter, write: Callable[[str], None]) -> None:
        self._people, self._write = people, write
        self._lock = threading.Lock()

    def planned(self, plan: Plan, forecast: Forecast) -> None:
        """Only people want that."""
        self._people.planned(plan, forecast)

    @contextmanager
    def working(self, stage: str, total: int) -> Iterator[Callable[[int], None]]:
        """Tell both; programs once a second, at the beginning and at the end."""
        done, spoke = 0, float("-inf")

        def say(count: int, *, at_once: bool = False) -> None:
            nonlocal done, spoke
            with self._lock:
                done += count
                if at_once or time.monotonic() - spoke >= _SECONDS:
                    spoke = time.monotonic()
                    self._write(told_progress(Progress(stage=stage, done=done, total=total)))

        with self._people.working(stage, total) as advance:
            say(0, at_once=True)

            def both(count: int) -> None:
                advance(count)
                say(count)

            yield both
        say(0, at_once=True)

    def judged(self, verdict: Verdict) -> None:
        """Only people want that."""
        self._people.judged(verdict)

    def finished(self, report: Report) -> None:
        """People are told here, programs by whoever has all reports."""
        self._people.finished(report)

    def told(self, report: Report) -> None:
        """Tell programs of a report."""
        with self._lock:
            self._write(told_report(report))
