"""It goes by what there is: hints only have it look sooner, and a restart or a Hub that is gone costs nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from adapter_merge.bot.keeper import Rounds
from adapter_merge.bot.order import Ended
from adapter_merge.bot.roll import Roll
from adapter_merge.errors import RequestError
from adapter_merge.merges import roster_of
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


@pytest.mark.parametrize(
    ("file", "repo", "ref", "counts"),
    [
        ("{owner: Lab, match: Mail*, to: '{owner}/{name}-m'}", "lab/Mail-1", None, True),
        ("{owner: Lab, match: Mail*, to: '{owner}/{name}-m'}", "lab/other", None, False),
        ("{owner: Lab, except: Mail*, to: '{owner}/{name}-m'}", "lab/Mail-1", None, False),
    ],
)
def test_which_pushes_of_an_owner_count(
    file: str, repo: str, ref: str | None, counts: bool
) -> None:
    read = roster_of(f"watch:\n  - {file}\n".encode())
    assert Roll.of(read, read.entries).watches(repo, ref) is counts


def test_a_tag_counts_where_a_revision_may_be_one() -> None:
    read = roster_of(b"merges:\n  - {adapter: acme/one@v1, to: acme/m}\n")
    roll = Roll.of(read, read.entries)
    found = [roll.watches("acme/one", f"refs/{name}") for name in ("heads/v1", "tags/v1", "pr/1")]
    assert found == [True, True, False]


def test_another_branch_of_a_target_is_left_out(tmp_path: Path) -> None:
    desk = Desk.laid(tmp_path, "one")
    desk.eyes.file = roster_of(
        b"merges:\n"
        b"  - {adapter: acme/one, to: acme/m}\n"
        b"  - {adapter: acme/two, to: acme/m, branch: dev}\n"
    )
    desk.keeper.round()
    assert list(desk.keeper.roll.entries.values()) == [desk.eyes.file.entries[0]]


def test_a_new_adapter_of_an_owner_costs_a_list_and_one_look(tmp_path: Path) -> None:
    desk = Desk.laid(tmp_path, "one")
    desk.eyes.file = roster("one", watch=("Lab",))
    desk.keeper.round()
    looks = len(desk.eyes.looks)
    desk.eyes.found = roster_of(b"merges:\n  - {adapter: Lab/New, to: Lab/New-merged}\n").entries
    desk.eyes.heads["Lab/New"] = "1" * 40
    with running(desk):
        desk.keeper.hint("Lab/New")
        assert until(lambda: len(desk.queue) == 1)
    assert desk.eyes.looks[looks:] == [("Lab/New-merged",)]


def test_entries_are_merged_where_an_owner_cannot_be_listed(tmp_path: Path) -> None:
    desk = Desk.laid(tmp_path, "one")
    desk.eyes.file = roster("one", watch=("lab",))
    desk.eyes.heads = {"acme/one": "1" * 40}
    desk.eyes.unlisted = unavailable()
    desk.keeper.round()
    assert desk.state("one") == "queued"
    assert desk.keeper.rounds == Rounds(looked=None, trouble="the Hub doesn't answer")
    # What the watch found before is neither forgotten nor left alone.
    desk.eyes.unlisted = None
    desk.eyes.found = roster_of(b"merges:\n  - {adapter: lab/two, to: acme/two-merged}\n").entries
    desk.keeper.round()
    desk.eyes.unlisted, desk.eyes.heads["lab/two"] = unavailable(), "2" * 40
    desk.keeper.round()
    assert desk.state("two") == "queued"
    # What was changed in the file counts all the same.
    desk.eyes.file = roster("one", "three", watch=("lab",))
    desk.keeper.round()
    assert set(desk.keeper.roll.entries) == {f"acme/{n}-merged" for n in ("one", "two", "three")}
    desk.eyes.file = roster("three", watch=("other",))
    desk.keeper.round()
    assert set(desk.keeper.roll.entries) == {"acme/three-merged"}
    assert desk.state("two") == "queued"


def test_what_should_never_happen_ends_no_keeper(tmp_path: Path) -> None:
    desk = Desk.laid(tmp_path, "one", every=0.05)
    desk.keeper.rest = 0.01
    desk.eyes.bug = OSError(28, "No space left on device")
    with running(desk):
        assert until(lambda: "No space left" in (desk.keeper.rounds.trouble or ""))
        desk.eyes.bug, desk.eyes.heads = None, {"acme/one": "1" * 40}
        desk.clock.pass_(1)
        desk.keeper.wake()
        assert until(lambda: desk.state("one") == "queued")
        assert until(lambda: desk.keeper.rounds.trouble is None)


def test_a_wish_is_met_soon(desk_of_one: Desk) -> None:
    desk = desk_of_one
    desk.bench.ends = [Ended(outcome="failed", reason="a check failed")]
    desk.keeper.round()
    desk.work()
    asked = ["acme/one-merged"]
    desk.keeper.retries = lambda: tuple(asked.pop() for _ in asked[:])
    with running(desk):
        assert until(lambda: desk.state("one") == "queued")
    assert (desk.work(), desk.state("one")) == (1, "merged")


def test_what_has_its_turn_anyway_is_not_looked_at_all_the_time(desk_of_one: Desk) -> None:
    desk = desk_of_one
    desk.keeper.round()
    desk.ledger.recover(())  # a restart, and somebody who wants another try
    desk.ledger.revived("acme/one-merged")
    with running(desk):
        assert until(lambda: desk.state("one") == "queued")
        looks = len(desk.eyes.looks)
        time.sleep(0.7)
    assert len(desk.eyes.looks) == looks


@pytest.fixture
def desk_of_one(tmp_path: Path) -> Desk:
    """One adapter that is due."""
    desk = Desk.laid(tmp_path, "one")
    desk.eyes.heads = {"acme/one": "1" * 40}
    return desk


@contextmanager
def running(desk: Desk) -> Iterator[None]:
    """The keeper in a thread of its own."""
    stop = threading.Event()
    thread = threading.Thread(target=desk.keeper.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        desk.keeper.wake()
        thread.join(5)
    assert not thread.is_alive()


def until(holds: Callable[[], bool]) -> bool:
    """Whether something holds within some seconds."""
    for _ in range(250):
        if holds():
            return True
        time.sleep(0.02)
    return False


def test_its_own_targets() -> None:
    file = roster("one")
    roll = Roll.of(file, file.entries)
    assert (roll.outputs("Acme/one-Merged"), roll.outputs("acme/one")) == (True, False)


@pytest.mark.parametrize("seconds", [-86_400, 86_400])
def test_a_clock_that_is_set_keeps_nothing_waiting(desk_of_one: Desk, seconds: float) -> None:
    desk = desk_of_one
    desk.bench.ends = [Ended(outcome="failed", reason="the Hub doesn't answer", again=True)]
    desk.keeper.round()
    desk.work()
    desk.clock.pass_(seconds)
    with running(desk):
        assert until(lambda: desk.keeper.rounds.looked == desk.clock())
        assert until(lambda: desk.state("one") == "queued")
    assert (desk.work(), desk.state("one")) == (1, "merged")


def test_a_hub_that_is_away_is_asked_about_a_few(tmp_path: Path) -> None:
    names = ("one", "two", "three", "four", "five")
    desk = Desk.laid(tmp_path, *names)
    desk.eyes.blind = unavailable()
    desk.keeper.round()
    assert desk.eyes.asked == [f"acme/{name}-merged" for name in names[:3]]
    assert {desk.state(name) for name in names} == {"waiting"}
    assert desk.keeper.rounds.trouble == "the Hub doesn't answer"
    # Where it is only away for these, they are the last of the next round, and hide nobody.
    desk.eyes.unseen = frozenset(desk.eyes.asked)
    desk.eyes.heads = {f"acme/{name}": "1" * 40 for name in names}
    desk.keeper.round()
    assert [desk.state(name) for name in names[2:]] == ["waiting", "queued", "queued"]
    desk.eyes.blind = None
    desk.keeper.round()
    assert {desk.state(name) for name in names} == {"queued"}


def test_a_push_does_not_wait_for_the_end_of_a_round(tmp_path: Path) -> None:
    desk = Desk.laid(tmp_path, "one", "two", "three")
    desk.keeper.round()
    desk.eyes.asked.clear()

    def pushed(_: str) -> None:
        if len(desk.eyes.asked) == 1:
            desk.keeper.hint("acme/three")

    desk.eyes.meanwhile = pushed
    desk.keeper.round()
    asked = [label.removeprefix("acme/").removesuffix("-merged") for label in desk.eyes.asked]
    assert asked == ["one", "three", "two", "three"]


def test_a_round_ends_where_it_is_told_to_stop(tmp_path: Path) -> None:
    desk = Desk.laid(tmp_path, "one", "two", "three")
    stop = threading.Event()
    desk.eyes.meanwhile = lambda _: stop.set()
    desk.keeper.run(stop)
    assert (desk.eyes.asked, desk.keeper.rounds.looked) == (["acme/one-merged"], None)
