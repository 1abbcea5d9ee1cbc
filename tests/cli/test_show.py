"""What a console takes from its surroundings: colour, width, and whether it is a screen."""

from __future__ import annotations

import io

import pytest
from rich.text import Text

from adapter_merge.cli import show


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


CASES = [
    # file, environment, colour, animated
    (Screen, {"TERM": "xterm-256color"}, True, True),
    (Screen, {"TERM": "xterm", "NO_COLOR": "1"}, False, True),
    (Screen, {"TERM": "xterm", "NO_COLOR": ""}, True, True),
    (Screen, {"TERM": "dumb"}, False, False),
    (io.StringIO, {"TERM": "xterm"}, False, False),
    (io.StringIO, {"TERM": "xterm", "FORCE_COLOR": "1"}, True, False),
    (io.StringIO, {"FORCE_COLOR": "1"}, True, False),
    (io.StringIO, {"TERM": "xterm", "FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
]


@pytest.mark.parametrize(("kind", "environment", "colour", "animated"), CASES)
def test_colour_and_bars_are_for_those_who_can_show_them(
    monkeypatch: pytest.MonkeyPatch,
    kind: type[io.StringIO],
    environment: dict[str, str],
    colour: bool,
    animated: bool,
) -> None:
    for name in ("TERM", "NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name, content in environment.items():
        monkeypatch.setenv(name, content)
    file = kind()
    monkeypatch.setattr("sys.stderr", file)
    console = show.on_stderr()
    console.print(Text("fail", style="red"))
    assert ("\x1b[31m" in file.getvalue()) == colour
    assert "fail" in file.getvalue()
    assert console.is_interactive == animated


@pytest.mark.parametrize(("columns", "width"), [(None, 160), ("60", 60)])
def test_a_log_has_long_lines_unless_told(
    monkeypatch: pytest.MonkeyPatch, columns: str | None, width: int
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert show.on_stderr().width == width
