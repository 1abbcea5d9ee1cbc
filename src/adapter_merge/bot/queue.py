"""Targets whose turn has come, in order: what a killed process had in hand comes again, what was given up is kept apart.

persist-queue does the work, on SQLite. The queue is a convenience, not the truth: without it a round of the
keeper finds the same work again, all but what was given up, which is then tried once more.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import persistqueue
from persistqueue.serializers import json as as_json
from persistqueue.sqlackqueue import AckStatus

from adapter_merge.bot.log import say

_WAITING = frozenset({int(AckStatus.inited), int(AckStatus.ready)})
_DEAD = int(AckStatus.ack_failed)
_STEP = 0.2  # seconds between two looks for something to take


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A target that was taken from the queue, and its number there."""

    target: str
    number: int


class Queue:
    """Asked by any thread; one process owns its folder."""

    def __init__(self, folder: Path) -> None:
        self._queue, rows = _opened(folder)
        self._lock = threading.Lock()
        self._waiting = {target for _, target, status in rows if status in _WAITING}
        self._buried = {target for _, target, status in rows if status == _DEAD}
        self._held: set[str] = set()
        self._again: set[str] = set()

    def put(self, target: str) -> bool:
        """Have a target's turn come; False where it comes anyway. During its turn it is put behind that."""
        with self._lock:
            if target in self._waiting:
                return False
            if target in self._held:
                new = target not in self._again
                self._again.add(target)
                return new
            self._add(target)
            return True

    def take(self, seconds: float) -> Item | None:
        """The next target, held until it is settled; None where none comes in that time."""
        end = time.monotonic() + seconds
        while True:
            with self._lock:
                item = self._next()
            if item is not None or time.monotonic() >= end:
                return item
            time.sleep(_STEP)

    def _next(self) -> Item | None:
        try:
            found: dict[str, Any] = self._queue.get(block=False, raw=True)
        except persistqueue.Empty:
            return None
        item = Item(target=found["data"], number=found["pqid"])
        self._waiting.discard(item.target)
        self._held.add(item.target)
        return item

    def done(self, item: Item) -> None:
        """Its turn is over."""
        with self._lock:
            self._queue.ack(id=item.number)
            self._queue.clear_acked_data(keep_latest=0)
            self._let_go(item.target)

    def give_back(self, item: Item) -> None:
        """Its turn is still to come, as if it had not been taken; nothing is done where it is over."""
        with self._lock:
            if item.target not in self._held:
                return
            self._queue.nack(id=item.number)
            self._held.discard(item.target)
            self._again.discard(item.target)
            self._waiting.add(item.target)

    def bury(self, item: Item) -> None:
        """It was tried as often as is allowed."""
        with self._lock:
            self._queue.ack_failed(id=item.number)
            self._buried.add(item.target)
            self._let_go(item.target)

    def dead(self) -> tuple[str, ...]:
        """What was given up, the first one first."""
        with self._lock:
            found = (target for _, target, status in _rows(self._queue) if status == _DEAD)
            return tuple(dict.fromkeys(found))

    def revive(self, target: str) -> bool:
        """Forget that a target was given up; whether it was."""
        with self._lock:
            if target not in self._buried:
                return False
            for number, name, status in _rows(self._queue):
                if status == _DEAD and name == target:
                    self._queue.ack(id=number)
            self._queue.clear_acked_data(keep_latest=0)
            self._buried.discard(target)
            return True

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def close(self) -> None:
        """Let go of the file; what is held comes again when it is opened the next time."""
        self._queue.close()

    def _add(self, target: str) -> None:
        self._queue.put(target)
        self._waiting.add(target)

    def _let_go(self, target: str) -> None:
        self._held.discard(target)
        if target in self._again:
            self._again.discard(target)
            self._add(target)


def _rows(queue: persistqueue.SQLiteAckQueue) -> tuple[tuple[int, str, int], ...]:
    return tuple((int(row["id"]), str(row["data"]), int(row["status"])) for row in queue.queue())


def _opened(
    folder: Path,
) -> tuple[persistqueue.SQLiteAckQueue, tuple[tuple[int, str, int], ...]]:
    """The queue that lies in a folder, and what is in it; a file that is none is put aside, and a new one begins."""
    open_ = partial(
        persistqueue.SQLiteAckQueue, str(folder), multithreading=True, serializer=as_json
    )
    try:
        queue = open_()
        return queue, _rows(queue)
    except sqlite3.OperationalError:  # such as a full disk: another queue wouldn't help
        raise
    except (sqlite3.DatabaseError, ValueError) as e:
        aside = folder.with_name(f"{folder.name}.broken-{secrets.token_hex(4)}")
        say("queue put aside", level=logging.WARNING, reason=str(e), aside=aside)
        folder.rename(aside)
        return open_(), ()
