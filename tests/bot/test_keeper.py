"""It goes by what there is: hints only have it look sooner, and a restart or a Hub that is gone costs nothing."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from adapter_merge.bot.roll import Roll
from adapter_merge.errors import RequestError
from tests.bot.desk import NOW, Desk, missing, roster, unavailable


def test_what_is_due_gets_its_turn_and_the_rest_its_reason(tmp_path: Path) -> None:
    desk = Desk.laid(tmp_path, "one", "two", "three")
    desk.eyes.heads = {"acme/one": "1" * 40, "acme/two": "2" * 40}
    desk.eyes.made = {"acme/two-merged": "2" * 40}
    desk.keeper.round()
    assert [desk.state(n) for n in ("one", "two", "three")] == ["queued", "unchanged", "skipped"]
    assert len(desk.queue) == 1
    assert desk.keeper.rounds.looked == NOW
    reasons = {record.target: record.reason for record in desk.ledger.records()}
    assert reasons["acme/three-merged"] == "it has to stand still"


def test_rounds_tell_only_what_is_new(tmp_path: Path) -> None:
    desk = Desk.laid(tmp_path, "one", "two")
    desk.eyes.heads = {"acme/one": "1" * 40}
    for _ in range(5):
        desk.keeper.round()
    assert len(desk.told) == 2
    assert len(desk.queue) == 1


def test_a_hint_has_only_what_it_may_matter_to_looked_at(tmp_path: Path) -> None:
    desk = Desk.laid(tmp_path, "one", "two")
    desk.keeper.round()
    stop, looks = threading.Event(), len(desk.eyes.looks)
    thread = threading.Thread(target=desk.keeper.run, args=(stop,))
    thread.start()
    try:
        desk.eyes.heads["acme/one"] = "1" * 40
        assert desk.keeper.hint("Acme/ONE")
        for _ in range(100):
            if desk.state("one") == "queued":
                break
            time.sleep(0.02)
    finally:
        stop.set()
        desk.keeper.wake()
        thread.join(5)
    assert desk.eyes.looks[looks:] == [("acme/one-merged",)]
    assert (desk.state("one"), desk.state("two")) == ("queued", "skipped")


def test_a_repeated_hint_is_one(tmp_path: Path) -> None:
    desk = Desk.laid(tmp_path, "one")
    assert [desk.keeper.hint("acme/one"), desk.keeper.hint("ACME/one")] == [True, False]


def test_what_waits_is_looked_at_when_its_time_has_come(tmp_path: Path) -> None:
    desk = Desk.laid(tmp_path, "one")
    desk.eyes.until = NOW + timedelta(seconds=0.1)
    desk.keeper.round()
    assert desk.state("one") == "waiting"
    stop = threading.Event()
    desk.eyes.heads["acme/one"] = "1" * 40
    thread = threading.Thread(target=desk.keeper.run, args=(stop,))
    thread.start()
    desk.clock.pass_(1)
    for _ in range(100):
        if desk.state("one") == "queued":
            break
        time.sleep(0.02)
    stop.set()
    desk.keeper.wake()
    thread.join(5)
    assert desk.state("one") == "queued"


def test_a_hub_that_is_gone_changes_nothing_that_stands(tmp_path: Path) -> None:
    desk = Desk.laid(tmp_path, "one")
    desk.eyes.heads = {"acme/one": "1" * 40}
    desk.keeper.round()
    desk.eyes.blind = unavailable()
    desk.clock.pass_(600)
    desk.keeper.round()
    assert desk.state("one") == "queued"
    assert desk.keeper.rounds.trouble == "the Hub doesn't answer"
    assert desk.keeper.rounds.looked == NOW
    desk.eyes.blind = None
    desk.keeper.round()
    assert desk.keeper.rounds == replace(desk.keeper.rounds, looked=desk.clock(), trouble=None)


def test_an_entry_that_cannot_be_looked_at_is_no_trouble_of_the_hub(tmp_path: Path) -> None:
    desk = Desk.laid(tmp_path, "one")
    desk.eyes.blind = missing()
    desk.keeper.round()
    assert (desk.state("one"), desk.keeper.rounds.trouble) == ("failed", None)


def test_a_wrong_file_keeps_the_last_good_one(tmp_path: Path) -> None:
    desk = Desk.laid(tmp_path, "one")
    desk.keeper.round()
    desk.eyes.wrong = RequestError("merges.yaml:3: wrong", hint="Mend it.")
    desk.eyes.heads = {"acme/one": "1" * 40}
    desk.keeper.round()
    assert (desk.state("one"), desk.keeper.rounds.trouble) == ("queued", "merges.yaml:3: wrong")


def test_what_nobody_asks_for_any_more_is_forgotten(tmp_path: Path) -> None:
    desk = Desk.laid(tmp_path, "one", "two")
    desk.eyes.heads = {"acme/one": "1" * 40}
    desk.keeper.round()
    desk.eyes.file = roster("two")
    desk.keeper.round()
    assert [record.target for record in desk.ledger.records()] == ["acme/two-merged"]
    assert desk.work() == 1
    assert desk.bench.orders == []


@pytest.mark.parametrize(
    ("repo", "ref", "counts"),
    [
        ("acme/one", "refs/heads/main", True),
        ("ACME/One", None, True),
        ("acme/one", "refs/heads/dev", False),
        ("acme/one", "refs/pr/1", False),
        ("acme/one", "refs/tags/v1", False),
        ("acme/other", "refs/heads/main", False),
        ("lab/anything", "refs/heads/main", True),
        ("lab/anything", "refs/heads/dev", False),
        ("acme/one-merged", "refs/heads/main", False),
    ],
)
def test_which_pushes_count(repo: str, ref: str | None, counts: bool) -> None:
    file = roster("one", watch=("lab",))
    assert Roll.of(file, file.entries).watches(repo, ref) is counts


def test_its_own_targets() -> None:
    file = roster("one")
    roll = Roll.of(file, file.entries)
    assert (roll.outputs("Acme/one-Merged"), roll.outputs("acme/one")) == (True, False)
