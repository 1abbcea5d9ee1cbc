"""Which requests there were; asked for after an answer has come, it has that request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
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
    """All requests, in the order in which they began: a client may begin the next before we note the end of one."""

    def __init__(self) -> None:
        self._written: dict[int, Logged] = {}
        self._begun = 0
        self._going = 0
        self._changed = threading.Condition()

    @contextmanager
    def note(self) -> Iterator[Callable[[Logged], None]]:
        """A request goes on; what it gives is told what came of it."""
        with self._changed:
            self._going += 1
            self._begun += 1
            number = self._begun

        def write(logged: Logged) -> None:
            with self._changed:
                self._written[number] = logged

        try:
            yield write
        finally:
            with self._changed:
                self._going -= 1
                self._changed.notify_all()

    def read(self) -> tuple[Logged, ...]:
        """All so far. A client may have its answer a moment before we note it, so what goes on is waited for."""
        with self._changed:
            self._changed.wait_for(lambda: self._going == 0, _PATIENCE)
            return tuple(self._written[number] for number in sorted(self._written))
