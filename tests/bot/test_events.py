"""Lines for programs, between lines for people."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapter_merge.bot.events import Telling, read, told_progress, told_report
from adapter_merge.bot.order import Progress
from adapter_merge.ports import Silent
from adapter_merge.report import ErrorRecord, Report

HALF = Progress(stage="pull", done=5, total=10)
REPORT = Report(
    status="failed",
    to="org/merged",
    error=ErrorRecord(type="PlanError", code=5, message="a\nb `}}`", hint="c"),
)


def test_what_is_told_is_read() -> None:
    assert read(told_progress(HALF)) == HALF
    found = read(f"{told_report(REPORT)}\r\n")
    assert isinstance(found, dict)
    assert (found["status"], found["to"]) == ("failed", "org/merged")
    assert found["error"]["message"] == "a\nb `}}`"
    for line in (told_progress(HALF), told_report(REPORT)):
        assert "\n" not in line
        assert list(json.loads(line)) == ["adapter-merge"]


@pytest.mark.parametrize(
    "line",
    [
        "pull: 5 bytes of 10 bytes",
        "",
        "{}",
        '{"adapter-merge": 1}',
        '{"adapter-merge": {"progress": {"stage": "pull", "done": -1, "total": 2}}}',
        '{"adapter-merge": {"progress": {"stage": "pull", "done": "1", "total": 2}}}',
        '{"adapter-merge": {"report": "merged"}}',
        '{"adapter-merge": {"else": {}}}',
        '{"adapter-merge": {"progress"',
        ' {"adapter-merge": {"report": {}}}',
        '{"adapter-merge": ' + "[" * 100_000,
    ],
    ids=lambda line: line[:40],
)
def test_what_only_looks_alike_is_a_line_for_people(line: str) -> None:
    assert read(line) is None


def test_a_stage_is_told_at_its_ends_and_not_at_each_step() -> None:
    lines: list[str] = []
    telling = Telling(Silent(), lines.append)
    with telling.working("merge", 1_000) as advance:
        for _ in range(1_000):
            advance(1)
    telling.told(REPORT)
    *stages, last = map(read, lines)
    assert stages[0] == Progress(stage="merge", done=0, total=1_000)
    assert stages[-1] == Progress(stage="merge", done=1_000, total=1_000)
    assert len(stages) <= 4
    assert isinstance(last, dict)


class _Counts(Silent):
    done = 0

    def working(self, stage: str, total: int) -> Any:
        from contextlib import nullcontext

        def advance(done: int) -> None:
            self.done += done

        return nullcontext(advance)


def test_people_are_told_as_well() -> None:
    people = _Counts()
    with Telling(people, lambda _: None).working("merge", 3) as advance:
        advance(3)
    assert people.done == 3
