"""What watches find on a Hub on loopback, beside what the file names itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

from adapter_merge.errors import Gated, HubUnavailable, RequestError
from adapter_merge.localhub import Fault, Status
from adapter_merge.merges import Wanted, roster_of
from adapter_merge.ports import Hub, Surroundings
from adapter_merge.reconcile import expand, watched
from adapter_merge.remote import Model
from tests.reconcile.conftest import Shelf

WATCH = "watch:\n- {owner: bot, to: '{owner}/{name}-merged', probe: off, workers: 1}\n"
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A Hub that lists these, and opens those whose files it wasn't asked to list."""

    models_of: dict[str, list[Model]]
    gone: bool = False

    def models(self, owner: str) -> Iterator[Model]:
        return iter(self.models_of.get(owner.casefold(), []))

    def open(self, ref: Any, *, hasty: bool = False) -> Any:
        if self.gone:
            raise Gated(f"`{ref.repo}` is gated", hint="ask")
        return _Opened(files=dict.fromkeys(ADAPTER, 1))


@dataclass(frozen=True, kw_only=True)
class _Opened:
    files: dict[str, int]


def model(repo: str, *files: str) -> Model:
    return Model(repo=repo, commit="a" * 40, files=files or ADAPTER)


def found(text: str, *models: Model, gone: bool = False) -> list[Wanted]:
    owners: dict[str, list[Model]] = {}
    for one in models:
        owners.setdefault(one.repo.split("/")[0], []).append(one)
    hub = cast("Hub", Listed(models_of=owners, gone=gone))
    return list(expand(roster_of(text.encode()), Surroundings(hub=lambda: hub)))


def labels(entries: list[Wanted]) -> list[str]:
    return [entry.label for entry in entries]


def test_what_is_pushed_later_is_found_and_merged(shelf: Shelf) -> None:
    def labels() -> list[str]:
        return [w.label for w in expand(roster_of(WATCH.encode()), shelf.machine().around)]

    assert labels() == ["bot/one-merged", "bot/two-merged"]
    shelf.sync("- {adapter: bot/one, to: bot/one-merged}\n")
    shelf.adapter("bot/three")
    # The base is no adapter, and the result is ours.
    assert labels() == ["bot/one-merged", "bot/three-merged", "bot/two-merged"]


def test_a_watch_costs_one_request(shelf: Shelf) -> None:
    around = shelf.machine().around
    before = shelf.requests()
    expand(roster_of(WATCH.encode()), around)
    assert shelf.requests() - before == 1


def test_without_a_watch_no_hub_is_asked() -> None:
    roster = roster_of(b"merges: [{adapter: org/a, to: org/b}]")
    assert expand(roster, Surroundings()) == roster.entries
    with pytest.raises(RequestError, match="there is no Hub to ask"):
        expand(roster_of(WATCH.encode()), Surroundings())


def test_a_hub_that_does_not_answer_is_an_error(shelf: Shelf) -> None:
    shelf.hub.fail(Fault(on=r"/api/models\?", does=Status(status=503), times=9))
    with pytest.raises(HubUnavailable):
        expand(roster_of(WATCH.encode()), shelf.machine().around)


ENTRY = "merges:\n- {adapter: bot/a, to: bot/x}\n"


@pytest.mark.parametrize(
    ("text", "models", "expected"),
    [
        (WATCH, [model("bot/b"), model("bot/A")], ["bot/A-merged", "bot/b-merged"]),
        (WATCH, [model("bot/base", "config.json", "model.safetensors")], []),
        (WATCH, [model("bot/b", *ADAPTER, "merge_receipt.json")], []),
        # An adapter that an entry names, and a target of one, whatever lies in it.
        (ENTRY + WATCH, [model("bot/a"), model("bot/b")], ["bot/x", "bot/b-merged"]),
        (ENTRY + WATCH, [model("bot/X")], ["bot/x"]),
        (
            ENTRY.replace("bot/a", "bot/a/last") + WATCH,
            [model("bot/a", "last/adapter_config.json")],
            ["bot/x"],
        ),
        # The target of one that is found.
        (WATCH, [model("bot/b-merged"), model("bot/b")], ["bot/b-merged"]),
        (
            WATCH.replace("probe: off", "match: 'chat-*', except: ['*-old', '*-b']"),
            [model("bot/chat-a"), model("bot/chat-b"), model("bot/chat-old"), model("bot/b")],
            ["bot/chat-a-merged"],
        ),
        # Two watches of one owner: the first that takes a repository has it.
        (
            f"{WATCH}- {{owner: Bot, to: 'bot/{{name}}-2'}}\n",
            [model("bot/a")],
            ["bot/a-merged"],
        ),
    ],
)
def test_only_adapters_that_nobody_named_are_found(
    text: str, models: list[Model], expected: list[str]
) -> None:
    entries = found(text, *models)
    assert labels(entries) == expected
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    assert all(entry.skip is None for entry in entries)


def test_an_adapter_in_a_folder_alone_is_skipped_with_the_way_to_merge_it() -> None:
    (entry,) = found(WATCH, model("bot/a", "README.md", "last/adapter_config.json"))
    assert entry.label == "bot/a-merged"
    assert entry.skip is not None
    assert "an entry with `adapter: bot/a/last` merges one" in entry.skip


def test_a_list_without_files_is_followed_by_a_question() -> None:
    unsaid = Model(repo="bot/a", commit="a" * 40)
    assert [e.skip for e in found(WATCH, unsaid)] == [None]
    assert [e.skip for e in found(WATCH, unsaid, gone=True)] == ["`bot/a` is gated"]


def test_one_target_has_one_adapter_and_the_others_are_told() -> None:
    text = ENTRY.replace("bot/x", "bot/b-merged") + WATCH
    (entry,) = found(text, model("bot/b"), model("bot/a"))
    assert entry.request.adapters[0].ref.repo == "bot/a"
    assert entry.notes == (
        "`bot/b`, which watch 1 of `bot` finds, has this target too, and is left out",
    )


def test_entries_that_share_a_target_by_branches_stay_apart() -> None:
    text = f"{ENTRY}- {{adapter: bot/c, to: bot/x, branch: next}}\n{WATCH}"
    assert labels(found(text)) == ["bot/x", "bot/x"]


def test_there_is_a_cap_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "MOST_WATCHED", 2)
    entries = found(WATCH, *(model(f"bot/m{n}") for n in range(9)))
    assert labels(entries) == ["bot/m0-merged", "bot/m1-merged", "bot/m2-merged"]
    assert [e.skip is None for e in entries] == [True, True, False]
    assert "more than 2 adapters, and none from this one on is looked at" in str(entries[2].skip)
