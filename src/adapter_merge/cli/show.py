"""The consoles, and what is laid out on them: columns that fold, findings by weight; nothing here is read by programs."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO, TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapter_merge.figures import printable
from adapter_merge.finding import Finding, Outcome, by_weight

_STYLE = {Outcome.FAIL: "red", Outcome.WARN: "yellow", Outcome.SKIP: "dim", Outcome.PASS: "green"}

_LABELS = {
    "warning": "bold yellow",
    "failed": "bold red",
    "merged": "bold green",
    "bundled": "bold green",
}
_LABEL = 11  # the longest label, so that one block stands below the other

# Logs and pipes are searched by line.
_LOG_WIDTH = 160

# What begins a command there: `::error::`, wherever a line folds, and `##[error]` anywhere in it.
_COMMAND = re.compile(r":{2,}|##\[")

Cell: TypeAlias = str | Text


def on_stdout() -> Console:
    """A console for data."""
    return _console(sys.stdout)


def on_stderr() -> Console:
    """A console for talk."""
    return _console(sys.stderr)


def _console(file: TextIO) -> Console:
    """Brackets and backticks are text there, not markup; what isn't a screen gets long lines.

    rich reads `NO_COLOR`, `FORCE_COLOR` and `TERM`. Colour that is forced into a log makes no screen of it.
    """
    screen = file.isatty()
    return Console(
        file=file,
        width=None if screen or "COLUMNS" in os.environ else _LOG_WIDTH,
        markup=False,
        highlight=False,
        emoji=False,
        force_interactive=None if screen else False,
    )


def inert(text: str) -> str:
    """Strangers' text that steers neither a terminal nor a runner of GitHub, which obeys lines of a log."""
    return _COMMAND.sub(lambda found: " ".join(found[0]), printable(text))


def grid(lines: Iterable[Sequence[Cell]]) -> Table:
    """Columns; the last one folds where the screen is narrow."""
    table = Table.grid(padding=(0, 2))
    for number, line in enumerate(lines):
        if number == 0:
            _columns(table, len(line))
        table.add_row(*(cell if isinstance(cell, Text) else inert(cell) for cell in line))
    return table


def _columns(table: Table, count: int) -> None:
    for _ in range(count - 1):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")


def labelled(rows: Iterable[tuple[str, Cell]]) -> Table:
    """Rows that begin with what they are about; a label that is empty belongs to the row above."""
    table = grid((Text(label, style=_LABELS.get(label, "bold")), value) for label, value in rows)
    table.columns[0].min_width = _LABEL
    return table


def one_line(text: str) -> Text:
    """Text that is cut where the screen ends."""
    return Text(inert(text), no_wrap=True, overflow="ellipsis")


def findings_table(findings: tuple[Finding, ...]) -> Table:
    """Findings by weight, failures first; what passed is named by its codes alone."""
    return grid(_finding_lines(findings))


def _finding_lines(findings: tuple[Finding, ...]) -> Iterator[tuple[Text, str, str]]:
    for said in by_weight(f for f in findings if f.outcome is not Outcome.PASS):
        outcome = Text(said.outcome.value, style=_STYLE[said.outcome])
        first, *others = said.codes
        also = f" ({' '.join(others)} too)" if others else ""
        yield outcome, first, f"{said.subject}: {said.message}{also}"
    passed = sorted({f.code for f in findings if f.outcome is Outcome.PASS})
    if passed:
        yield Text("pass", style=_STYLE[Outcome.PASS]), str(len(passed)), " ".join(passed)
