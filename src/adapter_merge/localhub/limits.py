"""A rate limit like the Hub's: so many requests of each caller in a fixed window."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """How many requests in how many seconds."""

    requests: int
    seconds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How a caller stands: the headers that say so, and whether it is within its limit."""

    headers: Mapping[str, str]
    within: bool


class Limits:
    """Counts requests; without a limit everybody is within it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit: Limit | None = None
        self._clock = clock
        self._window = 0
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, caller: str) -> Standing:
        """Count one request of a caller."""
        if self.limit is None:
            return Standing(headers={}, within=True)
        now = self._clock()
        window = int(now // self.limit.seconds)
        with self._lock:
            if window != self._window:
                self._window, self._seen = window, Counter()
            self._seen[caller] += 1
            left = self.limit.requests - self._seen[caller]
        reset = math.ceil((window + 1) * self.limit.seconds - now)
        policy = f"q={self.limit.requests};w={self.limit.seconds}"
        headers = {
            "RateLimit": f'"api";r={max(left, 0)};t={reset}',
            "RateLimit-Policy": f'"fixed window";"api";{policy}',
        }
        return Standing(headers=headers, within=left >= 0)
