"""Rounds over many entries: what didn't change costs a list, and what did is seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from adapter_merge.localhub import Fault, Status
from adapter_merge.merges import roster_of
from adapter_merge.reconcile import Decision, Memory, decisions
from adapter_merge.running import Machine
from tests.localhub.ask import ask
from tests.reconcile.conftest import HEAD, TOKEN, Shelf


def several(shelf: Shelf, count: int = 4) -> str:
    """Entries of as many adapters, merged."""
    names = [f"m{number}" for number in range(count)]
    for name in names:
        shelf.adapter(f"bot/{name}")
    text = "".join(f"- {{adapter: bot/{n}, to: bot/{n}-merged}}\n" for n in names)
    assert {r.status for r in shelf.sync(text).values()} == {"merged"}
    return text


@dataclass(kw_only=True)
class Watchman:
    """Looks again and again, as a loop does."""

    shelf: Shelf
    text: str
    machine: Machine
    memory: Memory = field(default_factory=Memory)

    def __call__(
        self, later: timedelta = timedelta(hours=1), *, lists: bool = True
    ) -> list[Decision]:
        now = datetime.now(UTC) + later
        wanted = roster_of(f"{HEAD}{self.text}".encode()).entries
        found = decisions(wanted, machine=self.machine, now=now, memory=self.memory, lists=lists)
        assert [d.wanted for d in found] == list(wanted)
        return [d for d in found if isinstance(d, Decision)]


def test_many_quiet_entries_cost_one_list_and_their_base(shelf: Shelf) -> None:
    look = Watchman(shelf=shelf, text=several(shelf), machine=shelf.machine())
    first = look()
    before = shelf.requests()
    again = look()
    assert again == first
    assert {d.what for d in again} == {"unchanged"}
    assert shelf.requests() - before == 1 + 1
    # Once an hour all of it is looked at.
    before = shelf.requests()
    assert look(timedelta(hours=2, minutes=1)) == first
    assert shelf.requests() - before == 1 + 4 * 3 + 1


def test_what_was_looked_at_together_is_not_looked_at_again_together(shelf: Shelf) -> None:
    look = Watchman(shelf=shelf, text=several(shelf), machine=shelf.machine())
    look()
    counts = []
    for minutes in range(65, 125, 5):
        before = shelf.requests()
        look(timedelta(minutes=minutes))
        counts.append((shelf.requests() - before - 2) // 3)
    assert sum(counts) >= 4
    assert max(counts) < 4


@pytest.mark.parametrize(
    "what", ["weights", "base", "target", "private", "gone", "entry", "a list that fails"]
)
def test_a_list_hides_nothing(shelf: Shelf, what: str) -> None:
    text = several(shelf).replace("-merged}", "-merged, follow-base: true}")
    look = Watchman(shelf=shelf, text=text, machine=shelf.machine())
    look()
    match what:
        case "weights":
            shelf.adapter("bot/m0", lora_alpha=4)
        case "base":
            shelf.write("bot/base", "generation_config.json", b'{"temperature": 0.5}')
        case "target":
            shelf.write("bot/m0-merged", "config.json", b"{}")
        case "gone":
            shelf.api.delete_repo("bot/m0-merged")
        case "private":
            shelf.api.update_repo_settings("bot/m0", private=True)
        case "entry":
            look.text = text.replace("{adapter: bot/m0,", "{adapter: bot/m0, dtype: bf16,")
        case _:
            shelf.hub.fail(Fault(on=r"/api/models\?", does=Status(status=503), times=9))
    found = look()[0]
    expected = "unchanged" if what in {"private", "a list that fails"} else "due"
    assert found.what == expected
    assert bool(found.notes) is (what == "private")


def test_what_stays_due_costs_one_list_too(shelf: Shelf) -> None:
    names = [f"m{number}" for number in range(4)]
    for name in names:
        shelf.adapter(f"bot/{name}")
    text = "".join(f"- {{adapter: bot/{n}, to: bot/{n}-merged}}\n" for n in names)
    look = Watchman(shelf=shelf, text=text, machine=shelf.machine())
    first, before = look(), shelf.requests()
    assert look() == first
    assert [d.what for d in first] == ["due"] * 4
    assert shelf.requests() - before == 1 + 1
    head = shelf.adapter("bot/m0", lora_alpha=4)
    assert look()[0].request.adapters[0].ref.revision == head
    shelf.sync(text)
    assert {d.what for d in look()} == {"unchanged"}


def test_a_list_that_is_behind_hides_nothing_that_was_told_of(shelf: Shelf) -> None:
    look = Watchman(shelf=shelf, text=several(shelf), machine=shelf.machine())
    line = "GET /api/models?author=bot&expand=sha&expand=private"
    behind = Status(status=200, body=ask(shelf.hub.url, line, token=TOKEN).body)
    look()
    shelf.adapter("bot/m0", lora_alpha=4)
    shelf.hub.fail(Fault(on=r"/api/models\?", does=behind, times=9))
    assert look()[0].what == "unchanged"
    assert look(lists=False)[0].what == "due"
    assert look()[0].what == "due"
