"""All merges on the first page: which, in what order, how many, and how the bot is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from adapter_merge.bot.standing import Standing
from adapter_merge.bot.web.pages.listing import Asked, listing
from tests.bot.web.pages.kept import EVERY, MERGED, NOW, ago, well

MANY = tuple(
    replace(MERGED, target=f"acme/m{n:03}", at=MERGED.at - timedelta(minutes=n)) for n in range(250)
)


def test_what_somebody_may_want_to_mend_comes_before_what_is_well() -> None:
    found = listing(EVERY, well(), Asked(), NOW)
    words = [merge.look.word for merge in found.views]
    assert words == ["running", "given up", "failed", "waiting", "merged", "unchanged"]
    assert found.said == ("1 running, 1 given up, 1 failed, 1 waiting, 1 merged, 1 unchanged")


def test_the_newest_of_a_state_comes_first() -> None:
    found = listing(MANY[::-1], well(), Asked(), NOW)
    assert [m.target for m in found.views] == [m.target for m in MANY[:100]]


@pytest.mark.parametrize(
    ("page", "first", "count", "earlier", "later"),
    [
        (1, "acme/m000", 100, None, "/?page=2"),
        (2, "acme/m100", 100, "/", "/?page=3"),
        (3, "acme/m200", 50, "/?page=2", None),
        (99, "acme/m200", 50, "/?page=2", None),
        (0, "acme/m000", 100, None, "/?page=2"),
    ],
)
def test_a_hundred_at_a_time(
    page: int, first: str, count: int, earlier: str | None, later: str | None
) -> None:
    found = listing(MANY, well(), Asked(page=page), NOW)
    assert (found.views[0].target, len(found.views)) == (first, count)
    assert (found.earlier, found.later) == (earlier, later)


def test_a_state_is_chosen() -> None:
    found = listing((*MANY, *EVERY), well(), Asked(state="merged", page=2), NOW)
    assert {m.look.word for m in found.views} == {"merged"}
    assert found.earlier == "/?state=merged"
    assert found.later == "/?state=merged&page=3"
    assert [(c.words, c.count) for c in found.choices if c.is_here] == [("merged", 251)]


def test_where_all_are_in_one_state_there_is_nothing_to_choose() -> None:
    assert listing(MANY, well(), Asked(), NOW).choices == ()
    none = listing(MANY, well(), Asked(state="dead"), NOW)
    assert [(c.words, c.count) for c in none.choices] == [
        ("all", 250),
        ("given up", 0),
        ("merged", 250),
    ]
    assert (none.views, none.count, none.chosen) == ((), 250, "given up")


@pytest.mark.parametrize(
    ("standing", "word", "reason"),
    [
        (well(), "merges follow their adapters", None),
        (replace(well(), looked=None), "looking at the Hub for the first time", None),
        (replace(well(), paused=True), "paused: nothing is merged for now", "it is paused"),
        (
            replace(well(), looked=ago(hours=1), trouble="the Hub doesn't answer"),
            "merges don't follow their adapters now",
            "the Hub doesn't answer",
        ),
        (
            replace(well(), looked=None, gone=("worker",)),
            "merges don't follow their adapters now",
            "worker",
        ),
    ],
)
def test_how_the_bot_is(standing: Standing, word: str, reason: str | None) -> None:
    found = listing((), standing, Asked(), NOW)
    assert found.look.word == word
    assert (reason is None) == (found.reasons == ())
    assert reason is None or any(reason in said for said in found.reasons)
