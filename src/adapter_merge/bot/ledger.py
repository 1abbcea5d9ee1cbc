"""What becomes of each merge, as records: told to the store, the log and the audit where it is something new."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from adapter_merge.bot.clock import Clock
from adapter_merge.bot.log import say
from adapter_merge.bot.order import Ended, Progress
from adapter_merge.bot.record import Past, Record, State
from adapter_merge.bot.store import Store
from adapter_merge.errors import HubUnavailable
from adapter_merge.merges import Wanted
from adapter_merge.reconcile import Decision, Failed
from adapter_merge.request import RepoRef, Request

TRIES = 5
_FIRST = timedelta(minutes=1)
_PAST = 20
_AT_WORK: frozenset[State] = frozenset({"queued", "running"})
_STANDS: frozenset[State] = frozenset({"merged", "unchanged"})
# What stays as it is where the same is due once more: it was tried, and nothing has changed since.
_TRIED: frozenset[State] = frozenset({"failed", "dead", *_STANDS})
_ENDS: frozenset[State] = frozenset({"skipped", *_TRIED})


def _silent(_: Mapping[str, object]) -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Written by keeper and workers; of one target only one of them at a time.

    Attributes:
        first: the wait after the first failed try; each later one is twice as long.
    """

    store: Store
    clock: Clock
    audit: Callable[[Mapping[str, object]], None] = _silent
    first: timedelta = _FIRST
    _spread: Callable[[], float] = field(default=lambda: random.uniform(0.8, 1.2))  # noqa: S311

    def records(self) -> tuple[Record, ...]:
        """All records."""
        return self.store.records()

    def keep_only(self, targets: Collection[str]) -> None:
        """Forget targets that nobody asks for any more; a merge that runs ends first."""
        for record in self.store.records():
            if record.target not in targets and record.state != "running":
                self.store.forget(record.target)

    def recover(self, dead: Collection[str]) -> None:
        """After a restart: nothing runs, and what was given up and asked for again may be tried."""
        for record in self.store.records():
            if record.state in _AT_WORK:
                changed = replace(record, state="waiting", reason="the bot was stopped meanwhile")
                self._keep(record, replace(changed, progress=None))
            elif record.state == "dead" and record.target not in dead:
                self.revived(record.target)

    def may_try(self, target: str, tried: str) -> bool:
        """Whether a target that is due may be merged: not what failed for good, nor before its time has come."""
        record = self.store.get(target)
        if record is None or record.tried != tried:
            return True
        if record.state in _TRIED:
            return False
        left = timedelta() if record.until is None else record.until - self.clock()
        # A wait that is longer than any was made by a clock that was set since.
        return left <= timedelta() or left > self.first * 2**TRIES

    def noted(self, decision: Decision, ended: Ended | None = None) -> None:
        """Nothing is to be done, and why; `ended` is the run that was, of a worker."""
        before = self._known(decision.wanted)
        if ended is None and before.state in _AT_WORK:
            return
        named = _of(decision.request, before)
        if decision.what == "unchanged":
            changed = self._standing(before, named, decision, ended)
        else:
            changed = replace(
                named,
                state="skipped" if decision.until is None else "waiting",
                reason=decision.reason,
                until=decision.until,
            )
        self._keep(before, replace(changed, notes=decision.notes, progress=None), ended)

    def _standing(
        self, before: Record, named: Record, decision: Decision, ended: Ended | None
    ) -> Record:
        """The target is in step; what brought it there stays told until something else does."""
        published = decision.published
        commit = before.commit if published is None else published.commit
        state, reason = before.state, before.reason
        if ended is not None and ended.outcome == "merged":
            state, reason = "merged", "merged, and read back"
        elif before.state not in _STANDS or before.commit != commit:
            state, reason = "unchanged", decision.reason
        return replace(
            named,
            state=state,
            reason=reason,
            until=None,
            tries=0,
            tried=None,
            url=before.url if published is None else published.url,
            commit=commit,
        )

    def same(self, decision: Decision, ended: Ended, tried: str) -> None:
        """The run found the contents that stand already, at another commit: that is no reason to run again."""
        before = self._known(decision.wanted)
        changed = replace(
            _of(decision.request, before),
            state="unchanged",
            reason=f"{decision.reason}, with the same contents",
            notes=decision.notes,
            until=None,
            tries=0,
            tried=tried,
            progress=None,
        )
        self._keep(before, changed, ended)

    def unseen(self, failed: Failed, ended: Ended | None = None) -> None:
        """It couldn't be looked at; `ended` is that of a worker."""
        before = self._known(failed.wanted)
        if ended is None and before.state in _AT_WORK:
            return
        reason = f"{failed.error.message}. {failed.error.hint}"
        if is_lost(failed):
            self._put_off(before, reason, ended)
            return
        changed = replace(
            before,
            state="failed",
            reason=reason,
            notes=failed.notes,
            until=None,
            tries=0,
            tried=None,  # of a try nothing is known any more once the adapter can be seen again
            progress=None,
        )
        self._keep(before, changed, ended)

    def _put_off(self, before: Record, reason: str, ended: Ended | None) -> None:
        """Nothing is known of it now, so it stays what it was; its time comes a little later."""
        until = before.until
        if until is not None:
            until = max(until, self.clock() + self.first)
        if ended is not None or self.store.get(before.target) is None:
            before = replace(before, state="waiting", reason=reason)
        self._keep(before, replace(before, until=until, progress=None), ended)

    def queued(self, decision: Decision) -> None:
        """Its turn will come."""
        before = self._known(decision.wanted)
        if before.state == "running":
            return
        self._put(
            before,
            _of(decision.request, before),
            state="queued",
            reason=decision.reason,
            notes=decision.notes,
            until=None,
        )

    def started(self, decision: Decision) -> None:
        """Its turn has come."""
        before = self._known(decision.wanted)
        self.store.begin_log(before.target)
        self._put(
            before,
            _of(decision.request, before),
            state="running",
            reason=decision.reason,
            notes=decision.notes,
            until=None,
            started=self.clock(),
            progress=None,
        )

    def told(self, target: str, **facts: Progress | str) -> None:
        """How far a run is, or where people see it."""
        record = self.store.get(target)
        if record is not None:
            self.store.put(replace(record, **facts), quick=True)  # type: ignore[arg-type]

    def postponed(self, wanted: Wanted, ended: Ended, state: State, reason: str) -> None:
        """A run ended without a result, and another one comes."""
        before = self._known(wanted)
        changed = replace(before, state=state, reason=reason, progress=None, tries=0, tried=None)
        self._keep(before, changed, ended)

    def failed(self, wanted: Wanted, ended: Ended, tried: str) -> Record:
        """A try that failed: for good, for now, or once too often."""
        before = self._known(wanted)
        tries = before.tries + 1 if before.tried == tried else 1
        state, until = _next(ended, tries), None
        if state == "waiting":
            until = self.clock() + self.first * 2 ** (tries - 1) * self._spread()
        changed = replace(
            before,
            state=state,
            reason=ended.reason,
            tries=tries,
            tried=tried,
            until=until,
            progress=None,
            url=ended.url or before.url,
        )
        return self._keep(before, changed, ended)

    def revived(self, target: str) -> None:
        """What was given up may be tried again."""
        record = self.store.get(target)
        if record is not None and record.state not in _AT_WORK:
            changed = replace(record, state="waiting", tries=0, tried=None, until=self.clock())
            self._keep(record, replace(changed, reason="somebody asked for another try"))

    def _known(self, wanted: Wanted) -> Record:
        found = self.store.get(wanted.label)
        return found or _of(wanted.request, Record(target=wanted.label, at=self.clock()))

    def _put(self, before: Record, named: Record, **facts: object) -> None:
        self._keep(before, replace(named, **facts))  # type: ignore[arg-type]

    def _keep(self, before: Record, after: Record, ended: Ended | None = None) -> Record:
        """Keep a record, and the report of a run; what is new is told, and what was before becomes its past."""
        if ended is not None and ended.report is not None:
            self.store.keep_report(before.target, ended.report)
        if self.store.get(before.target) == after:
            return after
        if _is_new(before, after):
            past = Past(at=before.at, state=before.state, reason=before.reason)
            kept = (past, *before.past)[:_PAST] if before.state in _ENDS else before.past
            after = replace(after, at=self.clock(), past=kept)
            self._tell(after)
        self.store.put(after)
        return after

    def _tell(self, record: Record) -> None:
        facts = {
            "target": record.target,
            "state": record.state,
            "reason": record.reason,
            "adapters": list(record.adapters),
        }
        say(record.state, target=record.target, reason=record.reason)
        self.audit({"event": "decision", **facts})


def is_lost(failed: Failed) -> bool:
    """Whether the Hub didn't answer, so that nothing is known."""
    return failed.error.type == HubUnavailable.__name__


def _is_new(before: Record, after: Record) -> bool:
    """Whether there is something to tell; how long something has waited is none."""
    if before.state != after.state:
        return True
    return before.reason != after.reason and (after.state != "waiting" or not before.reason)


def _next(ended: Ended, tries: int) -> State:
    if not ended.again:
        return "failed"
    return "dead" if tries >= TRIES else "waiting"


def _of(request: Request, record: Record) -> Record:
    """The record with the sources of a request."""
    base = None if request.base is None else _pinned(request.base)
    adapters = tuple(_pinned(adapter.ref) for adapter in request.adapters)
    return replace(record, adapters=adapters, base=base or record.base)


def _pinned(ref: RepoRef) -> str:
    """A ref as people know it, with the commit that it is at."""
    if ref.repo is None:
        return ref.text
    at = "" if ref.revision is None else f"@{ref.revision}"
    inside = "" if ref.subfolder is None else f"/{ref.subfolder}"
    return f"{ref.repo}{at}{inside}"
