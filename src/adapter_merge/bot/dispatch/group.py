"""A child process with all that it starts: found, weighed and ended together, whoever started it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil

_LOOK = 0.05  # seconds between two looks at what ends
_APART = 2.0  # seconds: two readings of one start differ where the clock was set between them


@dataclass(frozen=True, kw_only=True, slots=True)
class Leader:
    """The process that leads a session of its own, as it can be known again.

    A number alone isn't enough: the system gives it to others later.
    """

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Leader:
        """A child that was just started and not yet waited for, so that its number is still its own."""
        with suppress(psutil.NoSuchProcess):
            return cls(pid=pid, started=psutil.Process(pid).create_time())
        return cls(pid=pid, started=time.time())

    def members(self) -> tuple[psutil.Process, ...]:
        """All processes of its session that live, itself among them.

        While one of them lives no other session has its number; what leads one of that number and started at
        another time is a stranger.
        """
        found = tuple(_of_session(self.pid))
        leader = next((p for p in found if p.pid == self.pid), None)
        if leader is None:
            return tuple(p for p in found if _started(p) > self.started - _APART)
        return found if abs(_started(leader) - self.started) < _APART else ()

    def rss(self) -> int:
        """Bytes of memory that are held by all of them; what two of them share counts twice."""
        held = 0
        for process in self.members():
            with suppress(psutil.Error):
                held += process.memory_info().rss
        return held

    def end(self, grace: float) -> None:
        """Ask them to end, and make them where they haven't after `grace` seconds."""
        _signal(self.members(), signal.SIGTERM)
        end = time.monotonic() + grace
        while self.members() and time.monotonic() < end:
            time.sleep(_LOOK)
        while left := self.members():
            _signal(left, signal.SIGKILL)
            time.sleep(_LOOK)


def _of_session(number: int) -> Iterable[psutil.Process]:
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):
            if os.getsid(pid) != number:
                continue
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                yield process


def _started(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        return process.create_time()
    return 0.0


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.Error, OSError):
            process.send_signal(number)
