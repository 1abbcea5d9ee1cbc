"""A bot's parts without a Hub: eyes that see what a test wrote down, and a dispatch that ends as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from adapter_merge.bot.keeper import Keeper
from adapter_merge.bot.ledger import Ledger
from adapter_merge.bot.look import Decided
from adapter_merge.bot.order import Ears, Ended, Needs, Order
from adapter_merge.bot.queue import Queue
from adapter_merge.bot.store import Store
from adapter_merge.bot.worker import Worker
from adapter_merge.errors import AdapterMergeError, HubUnavailable, NotFound
from adapter_merge.merges import Roster, Wanted, roster_of
from adapter_merge.reconcile import Decision, Failed
from adapter_merge.report import ErrorRecord
from adapter_merge.request import AdapterRef, Request

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def roster(*names: str, watch: tuple[str, ...] = ()) -> Roster:
    """Entries of `acme/NAME` into `acme/NAME-merged`, and watched owners."""
    lines = [f"  - {{adapter: acme/{n}, to: acme/{n}-merged}}" for n in names]
    owners = [f'  - {{owner: {o}, to: "{{owner}}/{{name}}-merged"}}' for o in watch]
    parts = [*(["merges:", *lines] if lines else []), *(["watch:", *owners] if owners else [])]
    return roster_of("\n".join(parts).encode())


@dataclass(kw_only=True)
class Clock:
    """A time that stands still until somebody moves it."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(kw_only=True)
class Eyes:
    """Sees commits of adapters, and the commits that targets were made of.

    Attributes:
        heads: adapter -> its commit; what isn't in it isn't finished.
        made: target -> the adapter's commit that its result was made of.
        blind: the error that everything ends with, or what is `unseen` alone; None where the Hub answers.
        found: what watches find; `unlisted` is why they don't.
        bug: what should never happen.
        meanwhile: what happens while a target is looked at.
        looks, asked: what was to be looked at, and what was.
        why, waits: the reasons of what is due, and of what isn't finished.
        same: whether what is due is only words.
    """

    file: Roster
    heads: dict[str, str] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    until: datetime | None = None
    blind: AdapterMergeError | None = None
    wrong: AdapterMergeError | None = None
    why: str = "it is due"
    waits: str = "it has to stand still"
    same: bool = False
    found: tuple[Wanted, ...] = ()
    unlisted: AdapterMergeError | None = None
    bug: Exception | None = None
    unseen: frozenset[str] = frozenset()
    meanwhile: Callable[[str], object] = field(default=lambda _: None)
    looks: list[tuple[str, ...]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def roster(self) -> Roster:
        if self.wrong is not None:
            raise self.wrong
        return self.file

    def entries(self, roster: Roster) -> tuple[Wanted, ...]:
        if self.unlisted is not None:
            raise self.unlisted
        return (*roster.entries, *self.found)

    def decide(self, entries: Iterable[Wanted], *, told: bool = False) -> Iterable[Decided]:
        asked = tuple(entries)
        if self.bug is not None:
            raise self.bug
        self.looks.append(tuple(e.label for e in asked))
        return map(self._decided, asked)

    def _decided(self, wanted: Wanted) -> Decided:
        self.asked.append(wanted.label)
        self.meanwhile(wanted.label)
        if self.blind is not None and (not self.unseen or wanted.label in self.unseen):
            return Failed(wanted=wanted, error=ErrorRecord.of(self.blind))
        (adapter,) = wanted.request.adapters
        head = self.heads.get(str(adapter.ref.repo))
        if head is None:
            return Decision(
                what="skipped",
                wanted=wanted,
                request=wanted.request,
                reason=self.waits,
                until=self.until,
            )
        pinned = AdapterRef(ref=adapter.ref.model_copy(update={"revision": head}))
        request = wanted.request.model_copy(update={"adapters": (pinned,)})
        stands = self.made.get(wanted.label)
        if stands == head:
            return Decision(
                what="unchanged", wanted=wanted, request=request, reason="made from the same"
            )
        return Decision(what="due", wanted=wanted, request=request, reason=self.why, same=self.same)

    def needs(self, request: Request) -> Needs:
        return Needs(memory_bytes=7)


@dataclass(kw_only=True)
class Bench:
    """A dispatch that ends each order as it is told, and merges where nothing else is said."""

    eyes: Eyes
    ends: list[Ended | Callable[[Order, Ears], Ended]] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    name: Literal["local", "github", "jobs"] = "local"
    cleaned: int = 0

    def carry_out(self, order: Order, ears: Ears) -> Ended:
        self.orders.append(order)
        ears.line(f"merging {order.target}")
        end = self.ends.pop(0) if self.ends else self.merge
        return end(order, ears) if callable(end) else end

    def merge(self, order: Order, _: Ears) -> Ended:
        (commit,) = order.adapters.values()
        self.eyes.made[order.target] = commit
        report: Mapping[str, object] = {"seconds": {"merge": 2.0, "total": 3.0}}
        return Ended(outcome="merged", report=report)

    def clean(self) -> None:
        self.cleaned += 1


@dataclass(kw_only=True)
class Desk:
    """All parts on one state folder; nothing runs by itself."""

    root: Path
    eyes: Eyes
    clock: Clock
    bench: Bench
    queue: Queue
    ledger: Ledger
    keeper: Keeper
    worker: Worker
    told: list[Mapping[str, object]]
    paused: list[bool]

    @classmethod
    def laid(cls, root: Path, *names: str, every: float = 300) -> Desk:
        eyes, clock, told, paused = Eyes(file=roster(*names)), Clock(), [], [False]  # type: ignore[var-annotated]
        bench = Bench(eyes=eyes)
        queue, store = Queue(root / "queue"), Store(root / "merges")
        ledger = Ledger(store=store, clock=clock, audit=told.append, _spread=lambda: 1.0)
        keeper = Keeper(
            eyes=eyes,
            queue=queue,
            ledger=ledger,
            clock=clock,
            every=timedelta(seconds=every),
        )
        worker = Worker(
            eyes=eyes,
            queue=queue,
            ledger=ledger,
            dispatch=bench,
            entry=keeper.entry,
            paused=lambda: paused[0],
        )
        return cls(
            root=root,
            eyes=eyes,
            clock=clock,
            bench=bench,
            queue=queue,
            ledger=ledger,
            keeper=keeper,
            worker=worker,
            told=told,
            paused=paused,
        )

    def work(self, stop: threading.Event | None = None) -> int:
        """Take turns until nothing waits; how many there were."""
        for number in self._turns():
            item = self.queue.take(0)
            if item is None:
                return number
            self.worker.turn(item, stop or threading.Event())
        raise AssertionError("it never ends")

    @staticmethod
    def _turns() -> Iterator[int]:
        yield from range(100)

    def state(self, name: str) -> str:
        record = self.ledger.store.get(f"acme/{name}-merged")
        return "none" if record is None else record.state


def unavailable() -> HubUnavailable:
    """The Hub doesn't answer."""
    return HubUnavailable("the Hub doesn't answer", hint="Try again later.")


def missing() -> NotFound:
    """An adapter isn't there."""
    return NotFound("there is no `acme/one`", hint="Check the id.")
