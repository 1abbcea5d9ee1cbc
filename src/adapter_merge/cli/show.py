"""Plans, findings and reports as text for a screen of any width; nothing here is read by programs."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapter_merge.finding import Finding, Outcome
from adapter_merge.plan import LeftBehind, Plan
from adapter_merge.report import Report

_WEIGHT = (Outcome.FAIL, Outcome.WARN, Outcome.SKIP, Outcome.PASS)
_STYLE = {Outcome.FAIL: "red", Outcome.WARN: "yellow", Outcome.SKIP: "dim", Outcome.PASS: "green"}
# So many lines of a list are shown; `--json` has them all.
_SHOWN = 8

# Logs and pipes are searched by line.
_LOG_WIDTH = 160

Row = tuple[str, str]


def on_stdout() -> Console:
    """A console for data."""
    return _console(sys.stdout)


def on_stderr() -> Console:
    """A console for talk."""
    return _console(sys.stderr)


def _console(file: TextIO) -> Console:
    """Brackets and backticks are text there, not markup; what isn't a screen gets long lines."""
    width = None if file.isatty() or "COLUMNS" in os.environ else _LOG_WIDTH
    return Console(file=file, width=width, markup=False, highlight=False, emoji=False)


def nbytes(count: int) -> str:
    """A size as people write it, in powers of 1000: `91.2 MB`."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def grid(lines: Iterable[Sequence[str | Text]]) -> Table:
    """Columns; the last one folds where the screen is narrow."""
    table = Table.grid(padding=(0, 2))
    for number, line in enumerate(lines):
        if number == 0:
            _columns(table, len(line))
        table.add_row(*(cell if isinstance(cell, Text) else _printable(cell) for cell in line))
    return table


def _printable(text: str) -> str:
    """Strangers name files and tensors: what would steer a terminal is shown, not sent."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _columns(table: Table, count: int) -> None:
    for _ in range(count - 1):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")


def plan_screen(plan: Plan) -> Table:
    """A plan on one screen: what is written, what changes, what stays behind."""
    return grid(_plan_rows(plan))


def _plan_rows(plan: Plan) -> Iterator[Row]:
    yield from _some("adapter", [_weighed(a.source, a.weight) for a in plan.adapters])
    yield "base", plan.base
    yield "to", plan.to
    yield from _some("naming", list(plan.naming))
    yield "tensors", _tensors(plan.counts)
    yield "dtype", plan.dtype
    yield "to write", f"{nbytes(plan.size)} in {len(plan.shards) + len(plan.side_files)} files"
    yield from _some("weights", [f"{s.name} ({nbytes(s.size)})" for s in plan.shards])
    yield "files", ", ".join(f.path for f in plan.side_files) or "none"
    yield from _some("changed", [f"{c.subject}: {c.before} -> {c.after}" for c in plan.changes])
    yield from _some("left behind", [_left(f) for f in plan.left_behind])
    yield "recipe", plan.recipe


def _weighed(source: str, weight: float | None) -> str:
    return source if weight in (None, 1) else f"{source} (weight {weight:g})"


def _left(file: LeftBehind) -> str:
    return f"{file.path} of {file.origin}: {file.why}"


def _tensors(counts: Mapping[str, int]) -> str:
    ours = f"{counts['tensors_edited']} edited and {counts['tensors_copied']} copied"
    used = f"{counts['adapter_tensors_used']} of {counts['adapter_tensors_total']}"
    return f"{ours}; {used} adapter tensors used"


def _some(name: str, lines: list[str]) -> Iterator[Row]:
    for number, line in enumerate(lines[:_SHOWN]):
        yield (name if number == 0 else "", line)
    if len(lines) > _SHOWN:
        yield "", f"and {len(lines) - _SHOWN} more; `--json` lists them all"


def findings_table(findings: tuple[Finding, ...]) -> Table:
    """Findings by weight, failures first; what passed is named by its codes alone."""
    return grid(_finding_lines(findings))


def _finding_lines(findings: tuple[Finding, ...]) -> Iterator[tuple[Text, str, str]]:
    loud = [f for f in findings if f.outcome is not Outcome.PASS]
    for finding in sorted(loud, key=lambda f: (_WEIGHT.index(f.outcome), f.code, f.subject)):
        outcome = Text(finding.outcome.value, style=_STYLE[finding.outcome])
        yield outcome, finding.code, f"{finding.subject}: {finding.message}"
    passed = sorted({f.code for f in findings if f.outcome is Outcome.PASS})
    if passed:
        yield Text("pass", style=_STYLE[Outcome.PASS]), str(len(passed)), " ".join(passed)


def summary(report: Report) -> Table:
    """The end of a run: what came of it, and what to do next."""
    return grid(_summary_rows(report))


def _summary_rows(report: Report) -> Iterator[Row]:
    yield report.status, "" if report.to is None else report.to
    if report.error is not None:
        yield "why", f"{report.error.message} ({report.error.type})"
        yield "next", report.error.hint
    if report.base is not None:
        yield "base", report.base.source
    yield from (("adapter", _weighed(a.source, a.weight)) for a in report.adapters)
    yield from _numbers(report)
    if report.status in ("merged", "unchanged") and report.to is not None:
        yield "next", f"adapter-merge verify {report.to}"


def _numbers(report: Report) -> Iterator[Row]:
    counts = report.counts
    if counts:
        yield "tensors", _tensors(counts)
    if report.findings:
        by_outcome = Counter(f.outcome for f in report.findings)
        yield "findings", ", ".join(f"{by_outcome[o]} {o}" for o in _WEIGHT if by_outcome[o])
    if report.files:
        size = sum(f.size for f in report.files.values())
        yield "files", f"{len(report.files)}, {nbytes(size)}"
    if report.seconds:
        yield "seconds", ", ".join(f"{name} {value:.1f}" for name, value in report.seconds.items())
    if report.peak_rss_bytes and report.seconds:
        yield "memory", f"{nbytes(report.peak_rss_bytes)} at its peak"
