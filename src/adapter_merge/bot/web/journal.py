"""What is written down of deliveries: all of those with the secret, and of others only that there were some."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from adapter_merge.bot.clock import Clock
from adapter_merge.bot.log import say
from adapter_merge.bot.web.deliveries import Heard

Audit = Callable[[Mapping[str, object]], None]
_PAUSE = timedelta(minutes=1)


class Journal:
    """Log and audit. Who lacks the secret can fill no disk with them: refusals get a line a minute.

    Args:
        audit: gets each decision on a delivery that was read; None for none.
        clock: the time.
    """

    def __init__(self, audit: Audit | None, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock
        self._refused = 0
        self._said: datetime | None = None

    def note(self, heard: Heard) -> None:
        """Write down what came of a delivery."""
        if heard.result == "refused":
            self._refuse(heard)
            return
        level = logging.WARNING if heard.status >= 400 else logging.INFO
        say("delivery", level=level, **_facts(heard), peer=heard.peer)
        if self._audit is not None and heard.payload is not None:
            self._audit({"event": "delivery", **_facts(heard)})

    def _refuse(self, heard: Heard) -> None:
        self._refused += 1
        now = self._clock()
        if self._said is not None and now - self._said < _PAUSE:
            return
        count, self._refused, self._said = self._refused, 0, now
        say("delivery", level=logging.WARNING, **_facts(heard), peer=heard.peer, count=count)


def _facts(heard: Heard) -> dict[str, object]:
    repo = heard.payload.repo if heard.payload is not None else None
    return {
        "result": heard.result,
        "reason": heard.reason,
        "repo": repo.name if repo is not None else None,
        "head": repo.head_sha if repo is not None else None,
    }
