"""One look at all entries: what becomes of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from adapter_merge.errors import AdapterMergeError
from adapter_merge.merges import Wanted
from adapter_merge.reconcile.bases import chosen_base, expected_base
from adapter_merge.reconcile.decide import Decision, decided, waiting
from adapter_merge.reconcile.exposed import lost
from adapter_merge.reconcile.found import Found
from adapter_merge.reconcile.look import Looker, Memory, Standing
from adapter_merge.reconcile.ready import Waits
from adapter_merge.report import ErrorRecord
from adapter_merge.running import Machine


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """An entry that couldn't be looked at; `notes` are what else is to be known."""

    wanted: Wanted
    error: ErrorRecord
    notes: tuple[str, ...] = ()


def decisions(
    entries: Iterable[Wanted], *, machine: Machine, now: datetime, memory: Memory | None = None
) -> tuple[Decision | Failed, ...]:
    """What becomes of each entry; one that can't be looked at doesn't stop the others.

    Who looks again and again hands in the same `memory` each time: what didn't change costs less then.
    """
    known = memory or Memory()
    known.lighten()
    looker = Looker(machine.around, now=now, memory=known)
    return tuple(_decision(wanted, looker) for wanted in entries)


def _decision(wanted: Wanted, looker: Looker) -> Decision | Failed:
    if wanted.skip is not None:
        return waiting(wanted, Waits(reason=wanted.skip))
    standing = Standing()
    try:
        standing = looker.target(wanted)
        found = _found(wanted, looker, standing)
        if isinstance(found, Waits):
            return waiting(wanted, found)
        decision = _judged(wanted, looker, found, standing)
        if decision.what == "due" and decision.request.publish == "pr":
            decision = _judged(wanted, looker, found, looker.proposed(standing))
    except AdapterMergeError as e:
        notes = (*wanted.notes, *lost(e, standing))
        return Failed(wanted=wanted, error=ErrorRecord.of(e), notes=notes)
    return decision


def _found(wanted: Wanted, looker: Looker, standing: Standing) -> tuple[Found, ...] | Waits:
    asked = wanted.request.adapters
    stands = None if wanted.request.rebuild else standing.receipt
    before = () if stands is None else stands.adapters
    found: list[Found] = []
    for place, adapter in enumerate(asked):
        record = before[place] if len(before) == len(asked) else None
        seen = looker.adapter(adapter.ref, wanted.terms, record)
        if isinstance(seen, Waits):
            return seen
        found.append(seen)
    return tuple(found)


def _judged(
    wanted: Wanted, looker: Looker, found: tuple[Found, ...], standing: Standing
) -> Decision:
    expected = expected_base(wanted, tuple(f.config for f in found), standing.latest)
    base = chosen_base(wanted, expected, looker.base(expected), standing.latest)
    return decided(wanted, found, base, standing)
