"""One look at all entries: what becomes of each."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from adapter_merge.errors import AdapterMergeError
from adapter_merge.merges import Wanted
from adapter_merge.reconcile.bases import chosen_base, expected_base, is_by_adapter
from adapter_merge.reconcile.decide import Decision, decided, waiting
from adapter_merge.reconcile.exposed import lost
from adapter_merge.reconcile.found import Found
from adapter_merge.reconcile.look import Known, Looker, Standing
from adapter_merge.reconcile.quiet import Lists, Quiet
from adapter_merge.reconcile.ready import Waits
from adapter_merge.report import ErrorRecord
from adapter_merge.request import RepoRef
from adapter_merge.running import Machine

_MOST_KEPT = 20_000
_LOG = logging.getLogger(__name__)
# What no entry is at fault for: the next one would meet it too.
_OF_THE_MACHINE = frozenset(
    {errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EROFS}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """An entry that couldn't be looked at; `notes` are what else is to be known."""

    wanted: Wanted
    error: ErrorRecord
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """What one round knows of the rounds before.

    Attributes:
        known: what never changes.
        quiet: entries that were in step, by their targets.
    """

    known: Known = field(default_factory=Known)
    quiet: dict[str, Quiet] = field(default_factory=dict)

    def lighten(self) -> None:
        """Forget what is more than any file has entries: all of it can be asked again."""
        for kept in (self.known.configs, self.known.whole, self.quiet):
            if len(kept) > _MOST_KEPT:
                kept.clear()


def decisions(
    entries: Iterable[Wanted],
    *,
    machine: Machine,
    now: datetime,
    memory: Memory | None = None,
    lists: bool = True,
) -> tuple[Decision | Failed, ...]:
    """What becomes of each entry; one that can't be looked at doesn't stop the others.

    Who looks again and again hands in the same `memory` each time: what didn't change costs next to nothing then. Without `lists`
    all of each entry is looked at: for those of which a push was told, as a Hub's list may be behind.
    """
    return tuple(looks(entries, machine=machine, now=now, memory=memory, lists=lists))


def looks(
    entries: Iterable[Wanted],
    *,
    machine: Machine,
    now: datetime,
    memory: Memory | None = None,
    lists: bool = True,
) -> Iterator[Decision | Failed]:
    """The same one by one: what is past the last one that is asked for isn't looked at."""
    wanted, kept = tuple(entries), memory or Memory()
    kept.lighten()
    looker = Looker(machine.around, now=now, known=kept.known)
    listed = Lists() if memory is None or not lists else Lists.read(wanted, machine.around)
    look = _Round(looker=looker, lists=listed, quiet=kept.quiet, now=now)
    yield from map(look.decision, wanted)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Round:
    """A look at entries one after the other."""

    looker: Looker
    lists: Lists
    quiet: dict[str, Quiet]
    now: datetime

    def decision(self, wanted: Wanted) -> Decision | Failed:
        """What becomes of an entry; a bug that one of them meets is that one's failure."""
        try:
            return self._looked(wanted)
        except Exception as e:
            if isinstance(e, MemoryError) or getattr(e, "errno", None) in _OF_THE_MACHINE:
                raise
            _LOG.exception("`%s` can't be looked at", wanted.label)
            hint = "Report it with what the log has of it, and take the entry out until then"
            return Failed(wanted=wanted, error=ErrorRecord.of_bug(e, hint=hint), notes=wanted.notes)

    def _looked(self, wanted: Wanted) -> Decision | Failed:
        """As before where all is as it was, else by a look at everything."""
        quiet = self.quiet.pop(wanted.label, None)
        if quiet is not None and (kept := self._kept(quiet, wanted)) is not None:
            self.quiet[wanted.label] = quiet
            return kept
        found = _decision(wanted, self.looker)
        if isinstance(found, Decision) and found.what != "skipped":
            noted = self.lists.noted(found, self._base(found), self.now)
            self.quiet.update({} if noted is None else {wanted.label: noted})
        return found

    def _kept(self, quiet: Quiet, wanted: Wanted) -> Decision | None:
        kept = self.lists.kept(quiet, wanted, self.now)
        return kept if kept is not None and self._base(kept) == quiet.base else None

    def _base(self, decision: Decision) -> str | None:
        """The commit of its base now."""
        base = decision.request.base
        written = None if base is None else RepoRef.model_validate(base.text)
        now = self.looker.base(written)
        return None if now is None else now.commit


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
    configs = tuple(f.config for f in found)
    expected = expected_base(wanted, configs, standing.latest)
    chosen = chosen_base(wanted, expected, looker.base(expected), standing.latest)
    base = replace(chosen, by_adapter=is_by_adapter(wanted, configs))
    return decided(wanted, found, base, standing)
