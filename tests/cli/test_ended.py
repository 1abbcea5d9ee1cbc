"""The end of a command: three labelled lines for a failure, a summary for a success."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from adapter_merge.cli.ended import failure, summary
from adapter_merge.receipt import ProbeRecord, RetrievalRecord, SourceRecord
from adapter_merge.report import ErrorRecord, Published, Report
from tests.cli.conftest import Command
from tests.test_proved import RAN, THROUGH

ERROR = ErrorRecord(
    type="MissingTarget", code=5, message="the base has no `x.weight`", hint="Try `--base ./b`."
)
FAILED = Report(
    status="failed",
    adapters=(SourceRecord(source="./a", weight=0.5, digests={}),),
    base=SourceRecord(source="./b", digests={}),
    to="./a-merged",
    error=ERROR,
)


def lines(report: Report, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False)
    console.print(summary(report))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def labels(shown: list[str]) -> list[str]:
    return [line.split()[0] for line in shown if not line.startswith(" ")]


def test_a_failure_is_three_lines() -> None:
    assert lines(FAILED, 100) == [
        "failed       the base has no `x.weight` (MissingTarget, exit code 5)",
        "with         ./a (weight 0.5) onto ./b, to ./a-merged; nothing was changed there",
        "next         Try `--base ./b`.",
    ]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_long_message_folds_below_its_label(width: int) -> None:
    error = replace(ERROR, message="word " * 90 + "x" * 300, hint="Next. " * 30)
    shown = lines(replace(FAILED, error=error), width)
    assert labels(shown) == ["failed", "with", "next"]
    assert max(map(len, shown)) <= width


@pytest.mark.parametrize(
    ("report", "inputs"),
    [
        (replace(FAILED, base=None), "onto the base that it names, to ./a-merged; nothing"),
        (replace(FAILED, adapters=(), base=None), "with ./a-merged; nothing was changed"),
        (replace(FAILED, status="merged"), "./a-merged, which is merged and in its place"),
    ],
)
def test_a_failure_says_what_it_was_about(report: Report, inputs: str) -> None:
    assert inputs in " ".join(" ".join(lines(report, 200)).split())


SENT = Published(
    repo="org/m",
    branch=None,
    commit="c0ffee0123",
    url="https://hub/x",
    pull_request=None,
    tag="merge-1",
    since_tag="merge-0",
    moved=3_000,
    kept=0,
    found=False,
    visibility="gated",
    why="asked for",
    title="Merge a into b",
)
DONE = replace(FAILED, status="merged", error=None, to="org/m")


@pytest.mark.parametrize(
    ("report", "rows"),
    [
        (
            replace(DONE, published=SENT),
            {
                "published": "commit c0ffee0 on main, tag merge-1: Merge a into b",
                "visibility": "gated (asked for)",
                "sent": "3.0 kB",
                "weights": "changed since tag merge-0",
                "next": "adapter-merge verify org/m",
            },
        ),
        (
            replace(
                DONE, status="unchanged", published=replace(SENT, found=True, title="", why="")
            ),
            {
                "published": "commit c0ffee0 on main, tag merge-1, which stood there already",
                "visibility": "gated",
                "sent": None,
                "weights": None,
            },
        ),
        (
            replace(DONE, status="done", published=replace(SENT, branch="b", tag=None, kept=5)),
            {
                "published": "commit c0ffee0 on b: Merge a into b",
                "sent": "3.0 kB; 5 bytes were there, or copied by the Hub",
                "next": "adapter-merge verify org/m@b",
            },
        ),
        (
            replace(DONE, published=replace(SENT, pull_request=4, tag=None)),
            {
                "published": "pull request 4, commit c0ffee0: Merge a into b",
                "next": "look at https://hub/x, and merge it there",
            },
        ),
        (
            replace(DONE, waits="/a b"),
            {"waits": "/a b", "published": None, "next": "adapter-merge publish '/a b' --to org/m"},
        ),
        (replace(DONE, status="done"), {"published": None, "next": None}),
    ],
)
def test_what_a_hub_got_is_shown(report: Report, rows: Mapping[str, str | None]) -> None:
    shown = {line.split()[0]: line[13:] for line in lines(report, 200) if line[0] != " "}
    assert {label: shown.get(label) for label in rows} == rows


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (
            replace(FAILED, published=SENT),
            "./a-merged, which has the result in commit c0ffee0: https://hub/x",
        ),
        (replace(FAILED, seconds={"publish": 1.0}), "./a (weight 0.5) onto ./b, to ./a-merged"),
        (replace(FAILED, status="merged", waits="/w"), "./a-merged, whose result waits in /w"),
    ],
)
def test_nothing_was_changed_only_where_nothing_was(report: Report, said: str) -> None:
    assert lines(report, 200)[1] == f"with         {said}"


def test_the_outcome_of_a_proof_is_a_row() -> None:
    done = replace(FAILED, status="merged", error=None)
    (row,) = (line for line in lines(replace(done, probe=RAN), 200) if line.startswith("outputs"))
    assert f"outputs      {THROUGH} smallest cosine 0.999998, " in row
    unproved = replace(done, probe=ProbeRecord(needs="4 GB of memory"))
    assert "outputs" not in labels(lines(unproved))


COUNTS = dict.fromkeys(("tensors_total", "tensors_copied"), 9) | {
    "tensors_edited": 0,
    "adapter_tensors_total": 4,
    "adapter_tensors_used": 0,
}


def test_a_bundle_is_not_called_merged() -> None:
    made = replace(FAILED, status="merged", layout="bundled", counts=COUNTS, error=None)
    shown = lines(made, 100)
    assert labels(shown)[0] == "bundled"
    assert "tensors      9 copied; the adapter's 4 lie beside them, unmerged" in shown
    assert "which is bundled and in its place" in " ".join(lines(replace(made, error=ERROR), 200))
    assert labels(lines(replace(made, status="unchanged")))[0] == "unchanged"


def test_a_mistake_on_the_command_line_shows_the_line(command: Command) -> None:
    ended = command("run", "./my adapter", "--bse", "x")
    assert labels(ended.err.splitlines()) == ["failed", "with", "next"]
    assert "(RequestError, exit code 2)" in ended.talk
    assert "`adapter-merge run './my adapter' --bse x`; nothing was done" in ended.talk


def test_a_failed_run_ends_with_its_three_lines(command: Command) -> None:
    ended = command("run", "./nowhere", "--base", "./b")
    assert labels(ended.err.splitlines()) == ["failed", "with", "next"]
    assert "./nowhere onto ./b, to ./nowhere-merged; nothing was changed there" in ended.talk


def test_nothing_is_said_by_colour_alone() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    console.print(failure(ERROR, "./a"))
    assert isinstance(console.file, io.StringIO)
    assert "\x1b[1;31mfailed" in console.file.getvalue()


def test_a_stage_that_took_no_time_is_left_out() -> None:
    done = Report(status="done", to="./x", seconds={"resolve": 0.01, "merge": 2.0, "total": 2.02})
    assert "took         2.0 s (merge 2.0)" in lines(done)


@pytest.mark.parametrize(
    ("changes", "rest"),
    [
        (
            {},
            "; the best agree in 98.3 %; 12 queries of ours among 20 documents",
        ),
        (
            {"given": True, "queries": 1, "documents": 1, "agreement": None},
            "; 1 query among 1 document",
        ),
    ],
)
def test_what_queries_find_is_told(changes: Mapping[str, Any], rest: str) -> None:
    found = RetrievalRecord(
        group="text.pooled",
        given=False,
        queries=12,
        documents=20,
        base=0.927577,
        reference=0.958333,
        merged=0.958333,
        agreement=0.983333,
    ).model_copy(update=dict(changes))
    shown = lines(Report(status="done", probe=RAN.model_copy(update={"retrieval": (found,)})), 200)
    start = "retrieval    nDCG@5 0.928 of the base, 0.958 with the adapter, 0.958 merged"
    assert f"{start}{rest}" in shown


def test_a_reason_and_notes_are_told() -> None:
    report = Report(status="skipped", to="org/m", reason="`a` waits", notes=("`b` has moved",))
    assert lines(report) == [
        "skipped      org/m",
        "why          `a` waits",
        "note         `b` has moved",
    ]
