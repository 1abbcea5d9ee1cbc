"""What the bot asks the Hub, and this machine: what there is to merge, what becomes of it, and what that takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from adapter_merge import assemble
from adapter_merge.bot.clock import Clock, utc
from adapter_merge.bot.order import Needs
from adapter_merge.errors import AdapterMergeError
from adapter_merge.merges import Roster, Wanted, read_merges
from adapter_merge.reconcile import Decision, Failed, Memory, expand, looks
from adapter_merge.request import Request

Decided = Decision | Failed
# What may differ from one machine to the next, and makes no other result.
_BESIDE = frozenset({"work_dir", "workers", "device", "keep_failed"})


class Eyes(Protocol):
    """What keeper and workers see by."""

    def roster(self) -> Roster:
        """What merges.yaml says now.

        Raises:
            RequestError: it can't be read, or is wrong.
        """

    def entries(self, roster: Roster) -> tuple[Wanted, ...]:
        """All entries, with those that its watches find.

        Raises:
            HubUnavailable: an owner's repositories can't be listed.
        """

    def decide(self, entries: Iterable[Wanted], *, told: bool = False) -> Iterable[Decided]:
        """What becomes of each entry now, in their order, each looked at when it is asked for; nothing is written.

        Of what was `told` of, nothing is taken as known.
        """

    def needs(self, request: Request) -> Needs:
        """What a merge takes; empty where it can't be planned."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """The eyes of a bot that serves: the Hub that the environment names."""

    merges: Path
    clock: Clock = utc
    _memory: Memory = field(default_factory=Memory)

    def roster(self) -> Roster:
        """See `Eyes`."""
        return read_merges(self.merges)

    def entries(self, roster: Roster) -> tuple[Wanted, ...]:
        """See `Eyes`."""
        return expand(roster, assemble.this_machine().around)

    def decide(self, entries: Iterable[Wanted], *, told: bool = False) -> Iterable[Decided]:
        """See `Eyes`."""
        machine, memory = assemble.this_machine(), self._memory
        return looks(entries, machine=machine, now=self.clock(), memory=memory, lists=not told)

    def needs(self, request: Request) -> Needs:
        """See `Eyes`."""
        try:
            _, guess = assemble.dry_run(request)
        except AdapterMergeError:
            return Needs()
        traffic = guess.traffic
        cache = 0 if guess.cache is None else guess.cache.needed_bytes
        return Needs(
            memory_bytes=guess.memory_bytes,
            disk_bytes=guess.needed_bytes + cache,
            moved_bytes=None if traffic is None else traffic.pulled_bytes + traffic.added_bytes,
        )


def digest(decision: Decision) -> str:
    """What is due, with all its commits: what failed is tried again once this is another one."""
    asked = decision.request.model_dump(mode="json", exclude=set(_BESIDE))
    said = {
        "asked": asked,
        "why": decision.reason,
    }  # a target that somebody mended has another reason
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
