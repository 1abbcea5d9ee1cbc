"""What was asked already, for as long as this process lives: the newest so many answers."""

from __future__ import annotations

from threading import Lock
from typing import Generic, TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_MOST = 4_096


class Kept(Generic[_Key, _Value]):
    """Answers by what they are about; safe to use from several threads."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._values: dict[_Key, _Value] = {}
        self._lock = Lock()

    def get(self, key: _Key) -> _Value | None:
        """The answer; None where it isn't known any more."""
        return self._values.get(key)

    def keep(self, key: _Key, value: _Value) -> _Value:
        """Keep an answer, in the place of the oldest where there are too many; the result is the answer."""
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = value
            while len(self._values) > self._most:
                del self._values[next(iter(self._values))]
        return value
