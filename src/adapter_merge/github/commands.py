"""Words to the runner: commands in the log, and files that it reads when the step has ended.

Everything that is printed between two commands is text: the runner is told to obey nothing but what carries a
word that nobody else knows, so no name of a stranger can be a command.
Source: GitHub's docs, "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TextIO

from adapter_merge.figures import printable

Kind = Literal["notice", "warning", "error"]

_A_KIND = 10  # annotations that a step shows of each kind
_CHARACTERS = 4_096  # of one annotation
_SHORTEST_SECRET = 4


def data(text: str) -> str:
    """Text as a command's message."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return data(text).replace(":", "%3A").replace(",", "%2C")


class Log:
    """The step's log: plain lines, groups and annotations.

    Once `guard` was entered, lines that look like commands are none.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._word = ""
        self._count: Counter[Kind] = Counter()

    def mask(self, secret: str) -> None:
        """Let the runner show `***` for it from now on, also for each of its lines."""
        for line in {secret, *secret.splitlines()}:
            if len(line.strip()) >= _SHORTEST_SECRET:
                self._command(f"::add-mask::{data(line)}")

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Take no commands from what is printed inside, by us or by any library."""
        self._word = secrets.token_hex(16)
        self._write(f"::stop-commands::{self._word}\n")
        try:
            yield
        finally:
            word, self._word = self._word, ""
            self._write(f"::{word}::\n")

    def say(self, text: str) -> None:
        """A line, or several."""
        self._write("".join(f"{printable(line)}\n" for line in text.split("\n")))

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Lines that are folded away under a title."""
        self._command(f"::group::{data(printable(title))}")
        try:
            yield
        finally:
            self._command("::endgroup::")

    def annotate(self, kind: Kind, message: str, *, title: str) -> None:
        """Show a sentence on the run's page; past the runner's limits it is a line of the log."""
        self._count[kind] += 1
        text = "\n".join(printable(line) for line in message.split("\n"))
        if self._count[kind] > _A_KIND:
            self.say(f"{kind}: {title}: {text}")
            return
        if len(text) > _CHARACTERS:
            text = f"{text[: _CHARACTERS - 1]}\N{HORIZONTAL ELLIPSIS}"
        self._command(f"::{kind} title={_property(printable(title))}::{data(text)}")

    def _command(self, line: str) -> None:
        """In one piece, so that nothing of another thread gets between the words that open and close."""
        if self._word:
            line = f"::{self._word}::\n{line}\n::stop-commands::{self._word}"
        self._write(f"{line}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def write_outputs(path: Path, values: Mapping[str, str]) -> None:
    """Add a step's outputs to the runner's file; no value can end before its own end."""
    with path.open("a", encoding="utf-8") as file:
        for name, value in values.items():
            end = f"end-{secrets.token_hex(16)}"
            file.write(f"{name}<<{end}\n{value}\n{end}\n")
