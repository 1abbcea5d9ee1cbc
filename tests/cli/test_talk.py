"""What a run says: a bar on a terminal, lines in a log, findings by weight, on any width."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from adapter_merge.cli.ended import summary
from adapter_merge.cli.show import findings_table
from adapter_merge.cli.talk import Talk
from adapter_merge.finding import Finding, Outcome, Verdict
from adapter_merge.receipt import FileRecord, SourceRecord
from adapter_merge.report import ErrorRecord, Report

FINDINGS = (
    Finding(code="F001", outcome=Outcome.PASS, subject="model", message="all files are there"),
    Finding(code="E001", outcome=Outcome.SKIP, subject="model", message="needs an encoder"),
    Finding(code="T010", outcome=Outcome.WARN, subject="model", message="rounding takes [6 %]"),
    Finding(code="T006", outcome=Outcome.FAIL, subject="head.weight", message="has 3 NaN"),
)

MERGED = Report(
    status="merged",
    adapters=(SourceRecord(source="./a", weight=0.5, digests={}),),
    base=SourceRecord(source="./b", digests={}),
    to="./a-merged",
    counts={
        "tensors_total": 9,
        "tensors_edited": 4,
        "tensors_copied": 5,
        "adapter_tensors_total": 8,
        "adapter_tensors_used": 8,
    },
    findings=FINDINGS[:3],
    relative_changes={"h.0.weight": 0.01, "h.1.weight": 0.04},
    files={"model.safetensors": FileRecord(size=90_868_376, sha256="0")},
    seconds={"merge": 1.25, "total": 1.5},
    peak_rss_bytes=412_000_000,
)

FAILED = Report(
    status="failed",
    error=ErrorRecord(type="PlanError", code=5, message="they [don't] fit", hint="Try `plan`."),
)


def _screen(*, width: int = 80, terminal: bool = False, color: bool = False) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=terminal,
        no_color=not color,
        markup=False,
        highlight=False,
    )


def _text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_findings_stand_by_weight() -> None:
    console = _screen()
    Talk(console=console).judged(Verdict(findings=FINDINGS))
    first = [line.split()[0] for line in _text(console).split("\n") if line.strip()]
    assert first == ["fail", "warn", "skip", "pass"]
    assert "rounding takes [6 %]" in _text(console)


def test_what_several_checks_say_alike_is_said_once() -> None:
    console = _screen()
    alike = [replace(FINDINGS[1], code=code) for code in ("T002", "T001", "E001")]
    other = replace(FINDINGS[1], code="T003", subject="other")
    console.print(findings_table((*alike, other)))
    lines = [line.rstrip() for line in _text(console).splitlines()]
    assert lines == [
        "skip  E001  model: needs an encoder (T001 T002 too)",
        "skip  T003  other: needs an encoder",
    ]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    console = _screen(width=width)
    for shown in (findings_table(FINDINGS), summary(MERGED), summary(FAILED)):
        console.print(shown)
    assert max(len(line) for line in _text(console).splitlines()) <= width


def test_a_summary_has_what_one_looks_for() -> None:
    console = _screen()
    Talk(console=console).finished(MERGED)
    text = _text(console)
    for part in (
        "merged",
        "./a-merged",
        "./a (weight 0.5) onto ./b",
        "4 edited and 5 copied; 8 of 8 adapter tensors used",
        "1 warn, 1 skip, 1 pass",
        "90.9 MB",
        "1.5 s (merge 1.2); 412.0 MB of memory",
        "2.5 % in the median, 4 % at most: `h.1.weight`",
        "adapter-merge verify ./a-merged",
    ):
        assert part in text


@pytest.mark.parametrize("quiet", [True, False])
def test_an_error_is_always_shown(quiet: bool) -> None:
    console = _screen()
    Talk(quiet=quiet, console=console).finished(FAILED)
    assert "they [don't] fit (PlanError, exit code 5)" in _text(console)
    assert "Try `plan`." in _text(console)


def test_quiet_shows_nothing_else() -> None:
    console = _screen()
    talk = Talk(quiet=True, console=console)
    with talk.working("merge", 10) as advance:
        advance(10)
    talk.judged(Verdict(findings=FINDINGS))
    talk.finished(MERGED)
    assert _text(console) == ""


def test_a_log_gets_plain_lines() -> None:
    console = _screen()
    with Talk(console=console).working("merge", 4_000_000) as advance:
        for _ in range(4):
            advance(1_000_000)
    lines = _text(console).splitlines()
    assert lines[-1].startswith("merge: 4.0 MB of 4.0 MB, 100 %, ")
    assert lines[-1].endswith("/s")
    assert "\x1b" not in _text(console)


def test_a_terminal_gets_a_bar_with_bytes_and_rate() -> None:
    console = _screen(terminal=True, width=100)
    with Talk(console=console).working("merge", 4_000_000) as advance:
        advance(4_000_000)
    assert "4.0/4.0 MB" in _text(console)
    assert "━" in _text(console)


def test_a_stage_without_bytes_shows_nothing() -> None:
    console = _screen()
    with Talk(console=console).working("merge", 0) as advance:
        advance(0)
    assert _text(console) == ""


@pytest.mark.parametrize("color", [True, False])
def test_color_can_be_turned_off_and_carries_no_meaning(color: bool) -> None:
    console = _screen(terminal=True, color=color)
    console.print(findings_table(FINDINGS))
    assert ("\x1b[31m" in _text(console)) == color
    assert "fail" in _text(console)


def test_names_of_strangers_do_not_steer_the_terminal() -> None:
    console = _screen(terminal=True, color=True)
    error = ErrorRecord(type="Corrupt", code=3, message="`\x1b[2Jx\r` is März", hint="Look.\x07")
    Talk(console=console).finished(Report(status="failed", error=error))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "\\x1b[2Jx\\r` is März" in text
    assert "\x1b[2J" not in text
    assert "\x07" not in text
