"""Which requests there were; asked for after an answer has come, it has that request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# How long a request that goes on is waited for: a slow one on purpose may take longer.
_PATIENCE = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Logged:
    """A request that was answered, or not: then its status is 0. Sizes are those of the bodies."""

    method: str
    path: str
    status: int
    user: str | None
    received: int
    sent: int


class Journal:
    """All requests, in the order in which they ended."""

    def __init__(self) -> None:
        self._written: list[Logged] = []
        self._going = 0
        self._changed = threading.Condition()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """A request goes on."""
        with self._changed:
            self._going += 1
        try:
            yield
        finally:
            with self._changed:
                self._going -= 1
                self._changed.notify_all()

    def write(self, logged: Logged) -> None:
        """Note a request."""
        with self._changed:
            self._written.append(logged)

    def read(self) -> tuple[Logged, ...]:
        """All so far. A client may have its answer a moment before we note it, so what goes on is waited for."""
        with self._changed:
            self._changed.wait_for(lambda: self._going == 0, _PATIENCE)
            return tuple(self._written)
