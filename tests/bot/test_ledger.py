"""What is told of a merge stays true while the Hub is away, while it waits, and where nothing but words has changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from adapter_merge.bot.order import Ended
from adapter_merge.bot.record import Record
from tests.bot.desk import Desk, missing, unavailable

LOST = Ended(outcome="failed", reason="the Hub doesn't answer", again=True)
BAD = Ended(outcome="failed", reason="a check failed", code=7)
SAME = Ended(outcome="unchanged")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """One adapter that is due."""
    desk = Desk.laid(tmp_path, "one")
    desk.eyes.heads = {"acme/one": "1" * 40}
    desk.keeper.round()
    return desk


def record(desk: Desk) -> Record:
    found = desk.ledger.store.get("acme/one-merged")
    assert found is not None
    return found


def test_a_try_that_waits_outlives_a_hub_that_is_away(desk: Desk) -> None:
    desk.bench.ends = [LOST]
    desk.work()
    desk.eyes.blind = unavailable()
    desk.clock.pass_(300)
    desk.keeper.round()
    assert (record(desk).state, record(desk).tries) == ("waiting", 1)
    until = record(desk).until
    assert until is not None
    assert until > desk.clock(), "a Hub that is away isn't asked all the time"
    desk.eyes.blind = None
    desk.clock.pass_(300)
    desk.keeper.round()
    assert (desk.work(), desk.state("one")) == (1, "merged")


def test_what_was_tried_is_tried_again_once_its_adapter_is_back(desk: Desk) -> None:
    desk.bench.ends = [LOST]
    desk.work()
    desk.eyes.blind = missing()
    desk.keeper.round()
    assert desk.state("one") == "failed"
    desk.eyes.blind = None
    desk.keeper.round()
    assert (desk.work(), desk.state("one")) == (1, "merged")


def test_a_result_that_stands_is_told_of_while_the_hub_is_away(desk: Desk) -> None:
    desk.work()
    before = record(desk)
    desk.eyes.blind = unavailable()
    desk.keeper.round()
    assert record(desk) == before
    desk.eyes.blind = None
    desk.keeper.round()
    assert record(desk) == before


def test_a_hub_that_is_away_when_the_turn_comes_is_no_failure(desk: Desk) -> None:
    desk.eyes.blind = unavailable()
    assert desk.work() == 1
    assert (desk.state("one"), desk.bench.orders) == ("waiting", [])
    desk.eyes.blind = None
    desk.keeper.round()
    assert (desk.work(), desk.state("one")) == (1, "merged")


def test_a_commit_with_the_same_contents_is_run_once_and_no_failure(desk: Desk) -> None:
    desk.work()
    desk.eyes.heads = {"acme/one": "2" * 40}
    desk.bench.ends = [SAME]
    for _ in range(3):
        desk.keeper.round()
        desk.work()
    assert (desk.state("one"), len(desk.bench.orders)) == ("unchanged", 2)
    assert record(desk).reason == "it is due, with the same contents"
    # A target that got lost has another reason, whatever was tried.
    desk.eyes.why = "the target has no result yet"
    desk.keeper.round()
    assert (desk.work(), desk.state("one"), len(desk.bench.orders)) == (1, "merged", 3)


def test_what_failed_is_tried_again_once_its_target_is_another_one(desk: Desk) -> None:
    desk.bench.ends = [BAD]
    desk.work()
    desk.keeper.round()
    assert desk.work() == 0
    desk.eyes.why = "files of the result are missing"
    desk.keeper.round()
    assert (desk.work(), desk.state("one")) == (1, "merged")


def test_a_run_that_changes_the_target_and_never_ends_well_comes_to_an_end(desk: Desk) -> None:
    def spoiling(*_: object) -> Ended:
        desk.eyes.why = f"it is due for the {len(desk.bench.orders)}. time"
        return Ended(outcome="merged")

    desk.bench.ends = [spoiling] * 20
    for _ in range(5):
        desk.work()
        desk.keeper.round()
    assert (desk.state("one"), len(desk.bench.orders)) == ("failed", 1)


def test_what_another_machine_left_is_tried_again(desk: Desk) -> None:
    desk.bench.ends = [Ended(outcome="skipped", reason="it has to stand still")]
    desk.work()
    assert (desk.state("one"), "stand still" in record(desk).reason) == ("waiting", True)
    desk.clock.pass_(120)
    desk.keeper.round()
    assert (desk.work(), desk.state("one")) == (1, "merged")


def test_how_long_something_waits_is_no_news(tmp_path: Path) -> None:
    desk = Desk.laid(tmp_path, "one")
    desk.eyes.until = desk.clock() + timedelta(hours=1)
    desk.keeper.round()
    since = desk.clock()
    for minutes in (5, 10):
        desk.eyes.waits = f"it was pushed {minutes} min ago"
        desk.clock.pass_(300)
        desk.keeper.round()
    assert (record(desk).reason, record(desk).at) == ("it was pushed 10 min ago", since)
    assert (record(desk).past, len(desk.told)) == ((), 1)


def test_its_past_is_what_became_of_it(desk: Desk) -> None:
    desk.work()
    desk.bench.ends = [BAD]
    for commit in "23":
        desk.eyes.heads = {"acme/one": commit * 40}
        desk.keeper.round()
        desk.work()
    assert desk.state("one") == "merged"
    assert [past.state for past in record(desk).past] == ["failed", "merged"]


def test_a_wish_to_try_again_disturbs_no_run(desk: Desk) -> None:
    desk.ledger.store.put(replace(record(desk), state="running"))
    desk.ledger.revived("acme/one-merged")
    assert desk.state("one") == "running"
