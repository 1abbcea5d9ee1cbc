"""One look at entries: what it costs, an owner's word, results that more people read than their adapters, proposals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapter_merge.merges import Wanted, roster_of
from adapter_merge.ports import Hub
from adapter_merge.reconcile import Decision, Failed, Memory, decisions
from adapter_merge.running import Machine
from tests.reconcile.conftest import HEAD, Shelf

ONE = "- {adapter: bot/one, to: bot/one-merged}\n"
TWO = "- {adapter: bot/two, to: bot/two-merged}\n"
OUT = b"---\nadapter-merge: false\n---\n# Mine\n"


def entries(text: str) -> tuple[Wanted, ...]:
    return roster_of(f"{HEAD}{text}".encode()).entries


def look(
    shelf: Shelf,
    text: str = ONE,
    *,
    machine: Machine | None = None,
    memory: Memory | None = None,
    later: timedelta = timedelta(hours=1),
) -> Decision | Failed:
    """The decision on the first entry, as if it were `later`."""
    now = datetime.now(UTC) + later
    on = machine or shelf.machine()
    return decisions(entries(text), machine=on, now=now, memory=memory)[0]


def said(shelf: Shelf, text: str = ONE, *, later: timedelta = timedelta(hours=1)) -> Decision:
    found = look(shelf, text, later=later)
    assert isinstance(found, Decision)
    return found


def test_a_quiet_entry_costs_three_requests_and_a_base_one(shelf: Shelf) -> None:
    shelf.sync(ONE + TWO)
    machine, memory = shelf.machine(), Memory()
    look(shelf, ONE + TWO, machine=machine, memory=memory)
    for text, cost in ((ONE, 3 + 1), (ONE + TWO, 2 * 3 + 1)):
        before = shelf.requests()
        found = look(shelf, text, machine=machine, memory=memory)
        assert isinstance(found, Decision)
        assert found.what == "unchanged"
        assert shelf.requests() - before == cost


def test_a_new_process_asks_for_more_and_for_no_file_again(shelf: Shelf) -> None:
    shelf.sync(ONE)
    said(shelf)
    before = shelf.requests()
    assert said(shelf).what == "unchanged"
    made = shelf.hub.requests[before:]
    assert len(made) <= 8 + 2
    # What people write is read at each start.
    files = {r.path.rpartition("/")[2] for r in made if "/resolve/" in r.path}
    assert files == {"README.md", "merge_receipt.json"}


@pytest.mark.parametrize("what", ["weights", "base", "target", "tag"])
def test_what_is_known_hides_nothing(shelf: Shelf, what: str) -> None:
    shelf.sync(ONE)
    machine, memory = shelf.machine(), Memory()
    follow = ONE.replace("}", ", follow-base: true}")
    assert look(shelf, follow, machine=machine, memory=memory).wanted.label == "bot/one-merged"
    match what:
        case "weights":
            shelf.adapter("bot/one", lora_alpha=4)
        case "base":
            shelf.write("bot/base", "generation_config.json", b'{"temperature": 0.5}')
        case "target":
            shelf.write("bot/one-merged", "config.json", b"{}")
        case "tag":
            (tag,) = shelf.api.list_repo_refs("bot/one-merged").tags
            shelf.api.delete_tag("bot/one-merged", tag=tag.name)
    found = look(shelf, follow, machine=machine, memory=memory)
    assert isinstance(found, Decision)
    assert found.what == "due"


@pytest.mark.parametrize(
    ("title", "until"),
    [("Add", timedelta(minutes=15)), ("Training in progress, step 5", timedelta(days=1))],
)
def test_a_wait_ends_by_itself_at_a_time(shelf: Shelf, title: str, until: timedelta) -> None:
    shelf.adapter("bot/one", title, lora_alpha=4)
    (head, *_) = shelf.api.list_repo_commits("bot/one")
    found = said(shelf, later=timedelta(minutes=5))
    assert found.what == "skipped"
    assert found.until == head.created_at + until


def test_what_waits_for_a_push_has_no_time(shelf: Shelf) -> None:
    shelf.api.delete_file("adapter_config.json", "bot/one")
    found = said(shelf)
    assert (found.what, found.until) == ("skipped", None)


@pytest.mark.parametrize(
    ("entry", "repo"),
    [
        (ONE, "bot/one"),
        ("- {adapter: bot/one, to: bot/one-merged, when: 'tag:v*'}\n", "bot/one"),
        ("- {adapter: bot/one/last, to: bot/one-merged}\n", "bot/one"),
        ("- {adapter: [bot/two, bot/one], to: bot/one-merged}\n", "bot/one"),
    ],
    ids=["head", "an older tag", "a folder", "one of two"],
)
def test_an_owner_who_wants_no_merges_has_none(shelf: Shelf, entry: str, repo: str) -> None:
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shelf.write("bot/one", f"last/{name}", shelf.hub.read("bot/one", name))
    shelf.api.create_tag("bot/one", tag="v1")
    assert said(shelf, entry).what == "due"
    shelf.write(repo, "README.md", OUT)
    found = said(shelf, entry)
    assert (found.what, found.reason) == (
        "skipped",
        "the card of `bot/one` says `adapter-merge: false`: its owner wants no merges of it",
    )


@pytest.mark.parametrize("card", [b"---\nadapter-merge: true\n---\n", b"adapter-merge: false\n"])
def test_other_words_are_no_wish(shelf: Shelf, card: bytes) -> None:
    shelf.write("bot/one", "README.md", card)
    assert said(shelf).what == "due"


def test_a_result_is_kept_where_its_owner_says_no_later(shelf: Shelf) -> None:
    shelf.sync(ONE)
    shelf.write("bot/one", "README.md", OUT)
    assert shelf.sync(ONE)["bot/one-merged"].status == "skipped"
    assert len(shelf.titles("bot/one-merged")) == 1


def test_an_adapter_that_turned_private_is_told_as_long_as_its_merge_is_not(shelf: Shelf) -> None:
    shelf.sync(ONE)
    assert said(shelf).notes == ()
    shelf.api.update_repo_settings("bot/one", private=True)
    (note,) = shelf.sync(ONE)["bot/one-merged"].notes
    assert note.startswith("`bot/one` is private, and `bot/one-merged`, which has it merged, can")
    shelf.api.update_repo_settings("bot/one-merged", private=True)
    assert said(shelf).notes == ()


def test_one_that_can_not_be_seen_any_more_is_told_too(shelf: Shelf) -> None:
    shelf.sync(ONE)
    shelf.api.delete_repo("bot/one")
    report = shelf.sync(ONE)["bot/one-merged"]
    assert report.status == "failed"
    (note,) = report.notes
    assert note.startswith("the adapter may be private now, and `bot/one-merged`, which has it")


def test_what_a_watch_skips_costs_nothing(shelf: Shelf) -> None:
    roster = roster_of(f"{HEAD}{ONE}".encode())
    skipped = replace(roster.entries[0], skip="it lies in a folder", notes=("more",))
    before = shelf.requests()
    (found,) = decisions((skipped,), machine=shelf.machine(), now=datetime.now(UTC))
    assert isinstance(found, Decision)
    assert (found.what, found.reason, found.notes) == ("skipped", "it lies in a folder", ("more",))
    assert shelf.requests() == before


def test_a_bug_is_the_failure_of_one_entry_and_a_full_disk_of_none(shelf: Shelf) -> None:
    machine, now = shelf.machine(), datetime.now(UTC) + timedelta(hours=1)
    errors: list[Exception] = [KeyError("odd")]

    def broken() -> Hub:
        if errors:
            raise errors.pop()
        return machine.around.connected()

    odd = replace(machine, around=replace(machine.around, hub=broken))
    failed, other = decisions(entries(ONE + TWO), machine=odd, now=now)
    assert isinstance(failed, Failed)
    assert (failed.error.type, "bug" in failed.error.message) == ("KeyError", True)
    assert isinstance(other, Decision)
    errors.append(OSError(28, "No space left on device"))
    with pytest.raises(OSError, match="No space left"):
        decisions(entries(ONE + TWO), machine=odd, now=now)
