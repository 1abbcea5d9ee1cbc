"""The keeper: looks at all entries again and again, has what is due merged, and says of the rest why not.

It goes by what there is, never by what it was told: a hint only has it look sooner. So nothing needs to be
remembered over a restart; the first round finds everything, whatever happened meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from adapter_merge.bot.clock import Clock
from adapter_merge.bot.ledger import Ledger, is_lost
from adapter_merge.bot.log import say
from adapter_merge.bot.look import Decided, Eyes, digest
from adapter_merge.bot.queue import Queue
from adapter_merge.bot.roll import Roll
from adapter_merge.errors import AdapterMergeError
from adapter_merge.merges import Roster, Wanted
from adapter_merge.reconcile import Failed

_MOST_HINTS = 10_000
_ENOUGH = 3  # entries in a row that a Hub doesn't answer for, after all patience with each: the rest waits
_SHORTEST, _LONGEST = timedelta(milliseconds=200), timedelta(seconds=2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rounds:
    """How the rounds went.

    Attributes:
        looked: when the last one ended that saw all it wanted to see.
        trouble: why the newest one didn't; None where it did.
    """

    looked: datetime | None = None
    trouble: str | None = None


@dataclass(kw_only=True)
class Keeper:
    """One thread runs it; hints come from any.

    Attributes:
        every: from one round to the next, at the longest.
        retries: targets that people asked to be tried again since it was last called.
        rest: seconds after what should never happen.
        rounds: how they went, replaced whole.
        roll: of the newest round, replaced whole.
    """

    eyes: Eyes
    queue: Queue
    ledger: Ledger
    clock: Clock
    every: timedelta
    retries: Callable[[], tuple[str, ...]] = tuple
    rest: float = 5.0
    rounds: Rounds = field(default_factory=Rounds)
    roll: Roll = field(default_factory=Roll)
    _hints: dict[str, str] = field(default_factory=dict)
    _awake: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next: datetime | None = None
    _found: tuple[Wanted, ...] = ()
    _lost: set[str] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)

    def hint(self, repo: str) -> bool:
        """Have a repository looked at soon; False where that was to happen anyway."""
        key = repo.casefold()
        with self._lock:
            new = key not in self._hints
            if new and len(self._hints) < _MOST_HINTS:
                self._hints[key] = repo
        self._awake.set()
        return new

    def entry(self, target: str) -> Wanted | None:
        """The entry of a target as it is wanted now; None where nobody asks for it any more."""
        return self.roll.entries.get(target)

    def wake(self) -> None:
        """Have it look whether there is something to do, such as to stop."""
        self._awake.set()

    def run(self, stop: threading.Event) -> None:
        """Look until it is told to stop."""
        self._stop = stop
        while not stop.is_set():
            try:
                self._step(stop)
            except Exception as e:  # a full disk, or a bug: the next round may do better
                self._troubled(f"{type(e).__name__}: {e}")
                self._next = self.clock() + self.every
                stop.wait(self.rest)

    def _step(self, stop: threading.Event) -> None:
        if self._is_time():
            self.round()
        else:
            self._take_wishes()
            self._take_hints()
            if late := self._overdue():
                self._look(late)
        if not self._hints and not stop.is_set():
            self._awake.wait(self._pause())
            self._awake.clear()

    def _is_time(self) -> bool:
        """Whether a round is due; one that lies further ahead than rounds do was planned by a clock that was set since."""
        return self._next is None or not timedelta() < self._next - self.clock() <= self.every

    def _pause(self) -> float:
        """Seconds until the next round, or the next time that something may be due; people's wishes are looked for before."""
        known = (r for r in self.ledger.records() if r.target in self.roll.entries)
        ends = min([self._next or self.clock(), *(r.until for r in known if r.until is not None)])
        return min(max(ends - self.clock(), _SHORTEST), _LONGEST).total_seconds()

    def _overdue(self) -> tuple[Wanted, ...]:
        """Entries whose time to be looked at again has come."""
        now = self.clock()
        late = (r.target for r in self.ledger.records() if r.until is not None and r.until <= now)
        return tuple(self.roll.entries[t] for t in late if t in self.roll.entries)

    def round(self) -> None:
        """Look at everything once."""
        with self._lock:
            self._hints.clear()
        self._take_wishes()
        is_read = self._read()
        if self._look(self.roll.entries.values()) and is_read:
            self.rounds = Rounds(looked=self.clock())
        self._next = self.clock() + self.every

    def _take_wishes(self) -> None:
        for target in self.retries():
            self.queue.revive(target)
            self.ledger.revived(target)

    def _read(self) -> bool:
        """Have the file's entries be the ones that count; the last ones do, where it or the Hub can't be read."""
        roster: Roster | None = None
        try:
            roster = self.eyes.roster()
            entries = self.eyes.entries(roster)
        except AdapterMergeError as e:
            self._troubled(e.message)
            if roster is not None:  # nothing is forgotten meanwhile
                self.roll = Roll.of(roster, (*roster.entries, *self._still_found(roster)))
            return False
        own = {entry.label for entry in roster.entries}
        self._found = tuple(entry for entry in entries if entry.label not in own)
        self._take(roster, entries)
        return True

    def _still_found(self, roster: Roster) -> Iterator[Wanted]:
        """What watches found before, as far as the file still watches it: an owner that can't be listed now."""
        own, watching = {entry.label for entry in roster.entries}, Roll.of(roster, ())
        for entry in self._found:
            repos = (str(adapter.ref.repo) for adapter in entry.request.adapters)
            if entry.label not in own and any(map(watching.watches, repos)):
                yield entry

    def _take(self, roster: Roster, entries: tuple[Wanted, ...]) -> None:
        """Have these entries be the ones that count; what nobody asks for any more is forgotten."""
        self.roll = Roll.of(roster, entries)
        for entry in entries:
            kept = self.roll.entries.get(entry.label)
            if kept is None:
                say("left out", target=entry.label, reason="the bot merges into repositories alone")
            elif kept is not entry:
                reason = "the bot merges into one branch of a repository, that of the first entry"
                say("left out", target=entry.label, reason=reason)
        self.ledger.keep_only(self.roll.entries.keys())
        self._lost &= self.roll.entries.keys()

    def _take_hints(self) -> None:
        with self._lock:
            hints, self._hints = tuple(self._hints.values()), {}
        if any(not self.roll.touched(repo) and self.roll.watches(repo) for repo in hints):
            self._read()  # it may be a new adapter of a watched owner
        touched = {entry.label: entry for repo in hints for entry in self.roll.touched(repo)}
        if touched:
            self._look(touched.values(), told=True)

    def _look(self, entries: Iterable[Wanted], *, told: bool = False) -> bool:
        """Do what entries ask for; whether the Hub answered for all of them."""
        trouble: str | None = None
        try:
            for decision in self._seen(entries, told=told):
                self._meet(decision)
                if isinstance(decision, Failed) and is_lost(decision):
                    trouble = trouble or decision.error.message
                if self._hints and not told:  # a push doesn't wait for the end of a long round
                    self._take_hints()
        except AdapterMergeError as e:
            trouble = e.message
        if trouble is not None:
            self._troubled(trouble)
        return trouble is None and not self._stop.is_set()

    def _seen(self, entries: Iterable[Wanted], *, told: bool) -> Iterator[Decided]:
        """What becomes of each; a Hub that is away is asked about a few, and what it lost the last time comes last."""
        asked = sorted(entries, key=lambda entry: entry.label in self._lost)
        row = 0
        for number, decision in enumerate(self.eyes.decide(asked, told=told), start=1):
            yield decision
            if self._stop.is_set():
                return
            if not (isinstance(decision, Failed) and is_lost(decision)):
                self._lost.discard(decision.wanted.label)
                row = 0
                continue
            self._lost.add(decision.wanted.label)
            row += 1
            if row == _ENOUGH:
                yield from (replace(decision, wanted=e, notes=e.notes) for e in asked[number:])
                return

    def _troubled(self, reason: str) -> None:
        self.rounds = replace(self.rounds, trouble=reason)
        say("round failed", reason=reason)

    def _meet(self, decision: Decided) -> None:
        """Do what a decision asks for."""
        if isinstance(decision, Failed):
            self.ledger.unseen(decision)
        elif decision.what != "due":
            self.ledger.noted(decision)
        elif self.ledger.may_try(decision.wanted.label, digest(decision)):
            self.queue.revive(decision.wanted.label)
            # In this order, as a worker that is quick writes what became of it at once.
            self.ledger.queued(decision)
            self.queue.put(decision.wanted.label)
