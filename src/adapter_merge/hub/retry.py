"""Try again what is safe to repeat: never a commit, a pull request or anything else that makes something."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from adapter_merge.errors import HubUnavailable
from adapter_merge.hub.translate import asked_pause

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How long an answer may keep us waiting; seconds.

    Attributes:
        connect: until somebody is there.
        read: of silence while something is read.
        write: of silence where the Hub has work to do first: a commit of many files takes it minutes.
    """

    connect: float = 15.0
    read: float = 30.0
    write: float = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long to try; times in seconds.

    Attributes:
        tries: how often in all.
        first: the wait after the first failure; each later one is twice as long.
        most: of all waits together. A Hub that asks for more isn't waited for.
        limits: of each request.
    """

    tries: int = 5
    first: float = 0.5
    most: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    limits: Limits = field(default_factory=Limits)

    def persist(self, act: Callable[[], _T]) -> _T:
        """What `act` gives; it is called again where the Hub was not available.

        Raises:
            HubUnavailable: it still isn't.
        """
        left = self.most
        for number in range(self.tries - 1):
            try:
                return act()
            except HubUnavailable as e:
                wait = self._wait(number, asked_pause(e))
                if wait > left:
                    raise
                left -= wait
            self.sleep(wait)
        return act()

    def _wait(self, number: int, asked: float | None) -> float:
        if asked is not None:
            return asked + 0.1  # the Hub counts in whole seconds
        spread = random.uniform(0.75, 1.25)  # noqa: S311 - so that many don't come at once
        return self.first * float(2**number) * spread


ONCE = Patience(tries=1)
