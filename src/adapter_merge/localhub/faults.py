"""Faults on purpose: what goes wrong with which requests, and how often."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """This answer instead of the Hub's; nothing is done."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection ends before the request is done."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The request is done, and the connection ends before its answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slow:
    """The answer takes this long to begin."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Short:
    """The connection ends after so many bytes of the answer's body."""

    size: int


@dataclass(frozen=True, slots=True)
class Flipped:
    """The answer's body has its length, and one wrong byte in its middle."""


Effect = Status | Cut | Lost | Slow | Short | Flipped


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What happens to the next `times` requests that `on` is found in, as `METHOD /path?query`.

    The first `skip` of them go well.
    """

    on: str
    does: Effect
    times: int = 1
    skip: int = 0


class Faults:
    """The faults that are still to come."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Have one more thing go wrong."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Have nothing go wrong any more."""
        with self._lock:
            self._waiting.clear()

    def take(self, line: str) -> Effect | None:
        """What goes wrong with this request; each fault counts the requests that it is asked for."""
        with self._lock:
            for at, fault in enumerate(self._waiting):
                if fault.times > 0 and re.search(fault.on, line):
                    self._waiting[at] = _counted(fault)
                    if fault.skip == 0:
                        return fault.does
        return None


def _counted(fault: Fault) -> Fault:
    if fault.skip:
        return replace(fault, skip=fault.skip - 1)
    return replace(fault, times=fault.times - 1)


def flipped(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes, but for one in the middle of `size`."""
    at = size // 2
    for chunk in chunks:
        if 0 <= at < len(chunk):
            yield chunk[:at] + bytes([chunk[at] ^ 0xFF]) + chunk[at + 1 :]
        else:
            yield chunk
        at -= len(chunk)
