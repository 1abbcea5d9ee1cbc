"""Which commit of an adapter is merged, if any is finished: a push is not a finished adapter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from adapter_merge.merges import Terms
from adapter_merge.remote import Commit

_DAY = timedelta(days=1)
_UNITS = {"d": 86_400, "h": 3_600, "min": 60}


@dataclass(frozen=True, kw_only=True, slots=True)
class Waits:
    """Nothing is merged yet.

    Attributes:
        reason: why, in one sentence.
        until: when that ends if nothing else happens; None where something has to.
    """

    reason: str
    until: datetime | None = None


def picked(
    terms: Terms, commits: Iterable[Commit], tags: Mapping[str, str], *, now: datetime
) -> Commit | Waits:
    """The commit that the terms mean, of a revision's commits from its head on; `tags` are names and commits.

    The reason to wait goes on after the adapter's name.
    """
    if terms.kind == "tag":
        tagged = {commit for name, commit in tags.items() if fnmatchcase(name, terms.glob)}
        fits = (commit for commit in commits if commit.id in tagged)
        return next(fits, Waits(reason=f"has no commit with a tag like `{terms.glob}`"))
    if terms.kind == "title":
        fits = (commit for commit in commits if fnmatchcase(commit.title, terms.glob))
        return next(fits, Waits(reason=f"has no commit with a title like `{terms.glob}`"))
    head = next(iter(commits), None)
    if head is None:
        return Waits(reason="has no commit yet")
    return _unfinished(terms, head, now) or head


def _unfinished(terms: Terms, head: Commit, now: datetime) -> Waits | None:
    age = max(now - head.date, timedelta())
    pushed = f"was pushed {spoken(age)} ago (`{head.title[:80]}`, {head.id[:7]})"
    if terms.skips(head.title) and age < _DAY:
        reason = f"{pushed}, and commits with such a title are skipped for a day"
        return Waits(reason=reason, until=head.date + _DAY)
    if terms.kind == "settled" and age < terms.settle:
        reason = f"{pushed}, and has to stand still for {spoken(terms.settle)}"
        return Waits(reason=reason, until=head.date + terms.settle)
    return None


def spoken(time: timedelta) -> str:
    """A time, rounded down: `4 min`, `90 min`, `2 h`."""
    seconds = int(time.total_seconds())
    for unit, size in _UNITS.items():
        if seconds >= 2 * size or seconds == size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
