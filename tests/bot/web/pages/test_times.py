"""Times in words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapter_merge.bot.web.pages.times import lasting, moment, span
from tests.bot.web.pages.kept import NOW


@pytest.mark.parametrize(
    ("length", "past", "to_come", "lasts"),
    [
        (timedelta(0), "just now", "just now", "just now"),
        (timedelta(seconds=44), "just now", "in a moment", "just now"),
        (timedelta(seconds=50), "50 seconds ago", "in 50 seconds", "for 50 seconds"),
        (timedelta(seconds=61), "1 minute ago", "in 1 minute", "for 1 minute"),
        (timedelta(minutes=59, seconds=40), "1 hour ago", "in 1 hour", "for 1 hour"),
        (timedelta(hours=26), "26 hours ago", "in 26 hours", "for 26 hours"),
        (timedelta(days=3), "3 days ago", "in 3 days", "for 3 days"),
    ],
)
def test_words(length: timedelta, past: str, to_come: str, lasts: str) -> None:
    assert moment(NOW - length, NOW).words == past
    assert moment(NOW + length, NOW).words == to_come
    assert lasting(NOW - length, NOW).words == lasts


def test_a_clock_that_was_set_back_makes_no_nonsense() -> None:
    assert lasting(NOW + timedelta(hours=1), NOW).words == "just now"


def test_the_exact_time_stands_behind_it() -> None:
    at = moment(NOW, NOW)
    assert (at.iso, at.whole) == ("2026-11-24T12:00:00Z", "2026-11-24 12:00:00 UTC")


def test_an_interval() -> None:
    assert span(timedelta(seconds=20)) == "20 seconds"
    assert span(timedelta(minutes=5)) == "5 minutes"
