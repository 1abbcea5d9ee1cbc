"""Times as people read them: how long ago, or how soon, with the exact time behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from adapter_merge.figures import counted

_NEAR = timedelta(seconds=45)


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """A time in UTC: in relative words, for programs, and in full."""

    words: str
    iso: str
    whole: str


def moment(at: datetime, now: datetime) -> Moment:
    """`just now`, `3 minutes ago`, `in 2 hours`."""
    apart = abs(now - at)
    if at <= now:
        return _moment(at, "just now" if apart < _NEAR else f"{span(apart)} ago")
    return _moment(at, "in a moment" if apart < _NEAR else f"in {span(apart)}")


def lasting(since: datetime, now: datetime) -> Moment:
    """`for 3 minutes`: when something began that still is so."""
    apart = now - since
    return _moment(since, "just now" if apart < _NEAR else f"for {span(apart)}")


def span(length: timedelta) -> str:
    """A length of time in one unit: `20 seconds`, `5 minutes`, `26 hours`, `3 days`."""
    seconds = length.total_seconds()
    if seconds < 60:
        return counted(round(seconds), "second")
    if seconds < 3570:
        return counted(round(seconds / 60), "minute")
    if seconds < 36 * 3600:
        return counted(round(seconds / 3600), "hour")
    return counted(round(seconds / 86400), "day")


def _moment(at: datetime, words: str) -> Moment:
    iso = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    return Moment(words=words, iso=iso, whole=f"{at:%Y-%m-%d %H:%M:%S} UTC")
