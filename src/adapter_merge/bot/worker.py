"""A worker: takes a target whose turn has come, decides once more, has it merged, and looks what stands then."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from adapter_merge.bot.ledger import Ledger
from adapter_merge.bot.log import say
from adapter_merge.bot.look import Eyes, digest
from adapter_merge.bot.order import Dispatch, Ears, Ended, Needs, Order
from adapter_merge.bot.queue import Item, Queue
from adapter_merge.merges import Wanted, written
from adapter_merge.reconcile import Decision, Failed

_TURN = 0.5  # seconds that a worker waits for work before it looks whether it shall stop


@dataclass(kw_only=True)
class Tally:
    """What was done since the start: merges by what became of them, and their seconds by stage. All workers share it."""

    ended: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    running: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def run(self) -> Iterator[None]:
        """Count the block as a merge that goes on."""
        with self._lock:
            self.running += 1
        try:
            yield
        finally:
            with self._lock:
                self.running -= 1

    def count(self, ended: Ended) -> None:
        """Count what became of one; its report may be anything."""
        found = (ended.report or {}).get("seconds")
        seconds: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        with self._lock:
            self.ended[ended.outcome] += 1
            for stage, spent in seconds.items():
                if isinstance(spent, int | float):
                    self.seconds[stage] = self.seconds.get(stage, 0.0) + spent


@dataclass(kw_only=True)
class Worker:
    """One thread runs it; several workers share a queue, and never a target.

    Attributes:
        entry: the entry of a target as it is wanted now; None where nobody asks for it any more.
        paused: whether nothing is to be begun.
        plans: whether an order says what it needs, which costs a plan.
        rest: seconds after what should never happen.
    """

    eyes: Eyes
    queue: Queue
    ledger: Ledger
    dispatch: Dispatch
    entry: Callable[[str], Wanted | None]
    paused: Callable[[], bool]
    plans: bool = False
    tally: Tally = field(default_factory=Tally)
    rest: float = 30.0

    def run(self, stop: threading.Event) -> None:
        """Work until it is told to stop; a merge that runs then is stopped, too, and comes again."""
        while not stop.is_set():
            item: Item | None = None
            try:
                if self.paused():
                    stop.wait(_TURN)
                else:
                    item = self.queue.take(_TURN)
                if item is not None:
                    self.turn(item, stop)
            except Exception as e:  # a full disk, or a bug: what it was about comes again
                target = None if item is None else item.target
                say("turn failed", level=logging.ERROR, target=target, reason=repr(e))
                self._give_back(item, stop)
                stop.wait(self.rest)

    def _give_back(self, item: Item | None, stop: threading.Event) -> None:
        """Have it come again, as soon as that can be written down; after a restart it does anyway."""
        while item is not None:
            try:
                self.queue.give_back(item)
            except Exception as e:
                say("still in hand", target=item.target, reason=repr(e))
                item = None if stop.wait(self.rest) else item
            else:
                return

    def turn(self, item: Item, stop: threading.Event) -> None:
        """Do what a target asks for now."""
        wanted = self.entry(item.target)
        if wanted is None:
            self.queue.done(item)
            return
        (decision,) = self.eyes.decide((wanted,))
        if isinstance(decision, Failed):
            self.ledger.unseen(decision, Ended(outcome="failed"))
            self.queue.done(item)
        elif decision.what != "due":
            self.ledger.noted(decision, Ended(outcome="skipped"))
            self.queue.done(item)
        elif not self.ledger.may_try(wanted.label, digest(decision)):
            self.queue.done(item)
        else:
            self._merge(item, decision, stop)

    def _merge(self, item: Item, decision: Decision, stop: threading.Event) -> None:
        wanted = decision.wanted
        self.ledger.started(decision)
        try:
            with self.tally.run():
                order, ears = self._order(decision), self._ears(wanted.label, stop)
                ended = self.dispatch.carry_out(order, ears)
        except Exception as e:  # a bug of a dispatch is this merge's failure, not the bot's end
            say("bug", level=logging.ERROR, target=wanted.label, reason=repr(e))
            ended = Ended(outcome="failed", reason=f"this is a bug in adapter-merge: {e}")
        self.tally.count(ended)
        if ended.outcome == "stopped":
            reason = "it was stopped, and comes again"
            self.ledger.postponed(wanted, ended, "queued", reason)
            self.queue.give_back(item)
        else:
            self._after(item, decision, ended)

    def _after(self, item: Item, decision: Decision, ended: Ended) -> None:
        """Go by what stands: whatever a run says of itself, the target is what people get."""
        wanted = decision.wanted
        (now,) = self.eyes.decide((wanted,))
        if isinstance(now, Decision) and now.what != "due":
            self.ledger.noted(now, ended)
            self.queue.done(item)
            return
        newer = isinstance(now, Decision) and now.request != decision.request
        if newer and ended.outcome != "failed":
            self.ledger.postponed(wanted, ended, "waiting", "something newer came meanwhile")
            self.queue.put(wanted.label)
            self.queue.done(item)
            return
        # What the next round will find due, so that it isn't tried for nothing.
        tried = digest(decision if isinstance(now, Failed) or newer else now)
        if isinstance(now, Decision) and _found_same(ended, now):
            self.ledger.same(now, ended, tried)
            self.queue.done(item)
            return
        record = self.ledger.failed(wanted, _judged(ended, now), tried)
        if record.state == "dead":
            self.queue.bury(item)
        else:
            self.queue.done(item)

    def _order(self, decision: Decision) -> Order:
        wanted, request = decision.wanted, decision.request
        adapters = {a.ref.repo: a.ref.revision or "" for a in request.adapters if a.ref.repo}
        needs = self.eyes.needs(request) if self.plans else Needs()
        return Order(target=wanted.label, adapters=adapters, document=written(wanted), needs=needs)

    def _write(self, target: str, line: str) -> None:
        # Whoever reads a run's lines has to go on: a pipe that nobody empties stops it.
        with suppress(OSError):
            self.ledger.store.add_line(target, line)

    def _ears(self, target: str, stop: threading.Event) -> Ears:
        return Ears(
            line=partial(self._write, target),
            progress=lambda progress: self.ledger.told(target, progress=progress),
            url=lambda url: self.ledger.told(target, url=url),
            stop=stop,
        )


def _found_same(ended: Ended, now: Decision) -> bool:
    """Whether a run found that it had nothing to do; of one elsewhere no more may be known than that it went well."""
    return ended.outcome == "unchanged" or (ended.outcome == "merged" and now.same)


def _judged(ended: Ended, now: Decision | Failed) -> Ended:
    """How a run ended, after which the target isn't seen to be in step."""
    if ended.outcome == "failed":
        return ended
    if isinstance(now, Failed):
        return replace(ended, outcome="failed", reason=now.error.message, again=True)
    reason = (
        f"the run ended well, but the target isn't what it should be: {ended.reason or now.reason}"
    )
    # By the clock of another machine an adapter may not be finished yet.
    return replace(ended, outcome="failed", reason=reason, again=ended.outcome == "skipped")
