"""Bytes of one download as they come, out of the progress bar that the Hub's client asks for."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock
from typing import Any, Self


class Stopped(Exception):
    """The download isn't wanted any more."""


class Meter:
    """Counts what came of one file, once and never backwards, whatever the client begins anew."""

    def __init__(
        self, size: int, advance: Callable[[int], None], *, stop: Event, lock: Lock
    ) -> None:
        self._left = size
        self._advance = advance
        self._stop = stop
        self._lock = lock
        self._behind = 0

    def add(self, count: int) -> None:
        """So many bytes came; less than none where some of them have to come again.

        Raises:
            Stopped: nobody wants them.
        """
        if self._stop.is_set():
            raise Stopped
        self._behind += count
        self._tell(min(self._behind, self._left))

    def finish(self) -> None:
        """The file is here, from wherever."""
        self._tell(self._left)

    def _tell(self, count: int) -> None:
        if count <= 0:
            return
        self._left -= count
        self._behind -= count
        with self._lock:
            self._advance(count)

    def bar(self) -> type:
        """A class that the client takes for `tqdm`'s."""
        add = self.add

        class Bar:
            total: int | None = None
            n = 0

            def __init__(self, *args: Any, **options: Any) -> None:
                """Nothing of its looks matters."""

            def __enter__(self) -> Self:
                return self

            def __exit__(self, *args: object) -> None:
                """There is nothing on the screen to take away."""

            def update(self, count: int = 1) -> None:
                add(count)

            def update_transfer(self, count: int) -> None:
                """What went over the line; the file's own bytes are what counts."""

            def set_postfix_str(self, *args: object, **options: object) -> None:
                """A speed, for the screen."""

            set_transfer_postfix_str = set_postfix_str
            close = set_postfix_str

        return Bar
