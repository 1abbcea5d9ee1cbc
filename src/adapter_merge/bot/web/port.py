"""What the web asks of the bot; all of it answers at once, from memory, and may be asked by any thread."""

from __future__ import annotations

from typing import Protocol

from adapter_merge.bot.record import Record
from adapter_merge.bot.standing import Standing


class Watching(Protocol):
    """Which repositories count; ids are compared as the Hub does, whatever their case."""

    def watches(self, repo: str, ref: str | None = None) -> bool:
        """Whether it counts that a ref such as `refs/heads/main` moved there; without one, whether any does."""

    def outputs(self, repo: str) -> bool:
        """Whether the bot itself writes there."""


class Bot(Watching, Protocol):
    """The bot as the web sees it."""

    def hint(self, repo: str) -> bool:
        """Have a repository looked at soon, and never wait for it.

        False where that was to happen anyway, as another hint came just before: nothing is lost by it.
        A hint that a crash loses is made good by the next round.
        """

    def standing(self) -> Standing:
        """How the bot is."""

    def records(self) -> tuple[Record, ...]:
        """All merges that it looks after."""
