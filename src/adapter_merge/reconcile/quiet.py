"""What was in step at the last look, or due, and is still by the Hub's lists: nothing is asked about it alone.

A list of an owner's repositories tells the heads of hundreds in one request, so that a round over many entries
costs one for each owner, and one for each base.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from zlib import crc32

from adapter_merge.errors import AdapterMergeError
from adapter_merge.merges import Wanted
from adapter_merge.ports import Surroundings
from adapter_merge.reconcile.decide import Decision
from adapter_merge.remote import Model

# Lists don't tell of a tag that was taken away, and may be behind: now and then all of it is looked at.
_LONGEST = timedelta(hours=1)
_WORTH = 4  # entries; fewer are looked at one by one, as they are where a push was told of
_MOST_LISTED = 2_000  # repositories of an owner


@dataclass(frozen=True, kw_only=True, slots=True)
class Quiet:
    """An entry that was in step, or due.

    Attributes:
        seen: its adapters and its target, as the lists had them then.
        base: the commit of its base then, which needn't be the one that was merged.
        at: when it was looked at, or a while before.
    """

    decision: Decision
    seen: tuple[Model | None, ...]
    base: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Lists:
    """The repositories of some owners; empty where lists aren't worth it.

    Attributes:
        models: by their ids in lower case.
        whole: owners of whom all are listed, so that what isn't there doesn't exist.
    """

    models: Mapping[str, Model] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()

    @classmethod
    def read(cls, entries: Collection[Wanted], around: Surroundings) -> Lists:
        """Those of the owners of many entries; one that can't be listed has none."""
        if len(entries) < _WORTH or around.hub is None:
            return cls()
        found: dict[str, Model] = {}
        whole: set[str] = set()
        for owner in _owners(entries):
            try:
                listed = tuple(islice(around.hub().models(owner), _MOST_LISTED))
            except AdapterMergeError:
                continue  # each of its repositories will be asked for
            found.update((model.repo.casefold(), model) for model in listed)
            whole.update([owner] if len(listed) < _MOST_LISTED else [])
        return cls(models=found, whole=frozenset(whole))

    def seen(self, wanted: Wanted) -> tuple[Model | None, ...] | None:
        """Adapters and target of an entry that goes by their heads; None where they aren't listed, or it doesn't.

        A target that doesn't exist is None among them.
        """
        request, terms = wanted.request, wanted.terms
        if request.branch is not None or request.rebuild or terms.kind in {"tag", "title"}:
            return None
        if any(adapter.ref.revision is not None for adapter in request.adapters):
            return None
        *adapters, target = (self.models.get(str(repo).casefold()) for repo in _repos(wanted))
        if (
            target is None
            and str(request.target.repo).casefold().partition("/")[0] not in self.whole
        ):
            return None
        known = [*adapters, *([] if target is None else [target])]
        is_known = all(model is not None and model.commit is not None for model in known)
        return (*adapters, target) if is_known else None

    def noted(self, decision: Decision, base: str | None, now: datetime) -> Quiet | None:
        """A decision to come back to, where the lists say of all of it what was found."""
        seen, there = self.seen(decision.wanted), decision.published
        if seen is None or base is None:
            return None
        heads = [a.ref.revision for a in decision.request.adapters]
        same = heads == [model and model.commit for model in seen[:-1]]
        if decision.what == "unchanged":
            stands = there is not None and there.pull_request is None and there.commit
            same = same and bool(stands) and stands == (seen[-1] and seen[-1].commit)
        elif decision.request.publish == "pr":
            return None  # what was proposed is in no list
        at = now - _spread(decision.wanted.label)
        return Quiet(decision=decision, seen=seen, base=base, at=at) if same else None

    def kept(self, quiet: Quiet, wanted: Wanted, now: datetime) -> Decision | None:
        """The decision, where the lists say the same of the same entry still."""
        if quiet.decision.wanted != wanted or not timedelta() <= now - quiet.at < _LONGEST:
            return None
        seen = self.seen(wanted)
        if seen is None or [_facts(m) for m in seen] != [_facts(m) for m in quiet.seen]:
            return None
        return replace(quiet.decision, wanted=wanted)


def _spread(label: str) -> timedelta:
    """A time of up to half the longest: what one round began with isn't all looked at again in one round."""
    return _LONGEST / 2 * (crc32(label.encode()) / 2**32)


def _facts(model: Model | None) -> tuple[str | None, bool] | None:
    return None if model is None else (model.commit, model.private)


def _repos(wanted: Wanted) -> Iterator[str | None]:
    yield from (adapter.ref.repo for adapter in wanted.request.adapters)
    yield wanted.request.target.repo


def _owners(entries: Iterable[Wanted]) -> list[str]:
    repos = (str(repo).casefold() for entry in entries for repo in _repos(entry) if repo)
    return sorted({repo.partition("/")[0] for repo in repos if "/" in repo})
