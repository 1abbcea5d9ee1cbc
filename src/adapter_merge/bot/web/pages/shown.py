"""What the pages ask of the bot: they change nothing, and wait for nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from adapter_merge.bot.record import Record
from adapter_merge.bot.standing import Standing


class Shown(Protocol):
    """The bot as people see it; asked by any thread, a few times a second at most."""

    def standing(self) -> Standing:
        """How the bot is."""

    def records(self) -> tuple[Record, ...]:
        """All merges that it looks after."""

    def report(self, target: str) -> Mapping[str, Any] | None:
        """The newest run's report as JSON, from which its page and pictures are drawn; None where there is none."""

    def log(self, target: str) -> str:
        """The end of the newest run's log, a hundred kilobytes at most; empty where there is none."""
