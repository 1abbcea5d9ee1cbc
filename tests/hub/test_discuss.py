"""A discussion that is opened once, brought up to date and closed, with the real client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from adapter_merge.errors import AdapterMergeError
from adapter_merge.localhub.faults import Cut, Fault, Lost, Status
from adapter_merge.remote import Topic
from tests.published import ADAPTER, TOKEN, Stand, standing

TITLE = "This adapter can't be merged"
Revised = Callable[[str | None], Topic | None]


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    with standing(tmp_path, xet=False, monkeypatch=monkeypatch) as stood:
        stood.api.create_repo(ADAPTER)
        yield stood


def said(stand: Stand, status: str = "open") -> list[tuple[str, str]]:
    """Who says what at the beginning of each discussion."""
    api = HfApi(endpoint=stand.hub.url, token=TOKEN)
    found = [d for d in api.get_repo_discussions(ADAPTER) if d.status == status]
    events = [api.get_discussion_details(ADAPTER, d.num).events[0] for d in found]
    return [(e.author, getattr(e, "content", "")) for e in events]


def tells(text: str, *, is_open: bool = True) -> Revised:
    return lambda _: Topic(text=text, is_open=is_open)


def test_opens_one_brings_it_up_to_date_and_closes_it(stand: Stand) -> None:
    seen: list[str | None] = []

    def look(standing: str | None) -> None:
        seen.append(standing)

    first = stand.edge.discuss(ADAPTER, TITLE, tells("No config."))
    again = stand.edge.discuss(ADAPTER, TITLE, tells("No weights."))
    assert stand.edge.discuss(ADAPTER, TITLE, look) == ""
    assert first == again == f"{stand.hub.url}/{ADAPTER}/discussions/1"
    assert (said(stand), seen) == ([("bot", "No weights.")], ["No weights."])
    assert stand.edge.discuss(ADAPTER, TITLE, tells("Merged.", is_open=False)) == first
    assert (said(stand), said(stand, "closed")) == ([], [("bot", "Merged.")])
    stand.edge.discuss(ADAPTER, TITLE, tells("No config."))
    assert said(stand) == [("bot", "No config.")]


def test_nothing_is_opened_to_be_closed(stand: Stand) -> None:
    assert stand.edge.discuss(ADAPTER, TITLE, tells("Merged.", is_open=False)) == ""
    assert said(stand) == said(stand, "closed") == []


@pytest.mark.parametrize("fault", [Lost(), Cut(), Status(status=502)])
@pytest.mark.parametrize("on", ["POST .*/discussions$", "POST .*/edit$", "POST .*/status$"])
def test_a_fault_makes_no_second(stand: Stand, on: str, fault: Lost | Cut | Status) -> None:
    stand.hub.fail(Fault(on=on, does=fault))
    for text in ("No config.", "No weights."):
        stand.edge.discuss(ADAPTER, TITLE, tells(text))
    assert said(stand) == [("bot", "No weights.")]
    stand.edge.discuss(ADAPTER, TITLE, tells("Merged.", is_open=False))
    assert (said(stand), said(stand, "closed")) == ([], [("bot", "Merged.")])


def test_one_of_somebody_else_is_left_alone(stand: Stand) -> None:
    stand.hub.add_user("mallory", "hf_mallory")
    mallory = HfApi(endpoint=stand.hub.url, token="hf_mallory")
    mallory.create_discussion(ADAPTER, TITLE, description="mine")
    stand.edge.discuss(ADAPTER, TITLE, tells("No config."))
    stand.edge.discuss(ADAPTER, TITLE, tells("Merged.", is_open=False))
    assert (said(stand), said(stand, "closed")) == ([("mallory", "mine")], [("bot", "Merged.")])


def test_one_that_people_closed_is_only_answered_by_news(stand: Stand) -> None:
    stand.edge.discuss(ADAPTER, TITLE, tells("No config."))
    stand.api.change_discussion_status(ADAPTER, 1, "closed")
    assert stand.edge.discuss(ADAPTER, TITLE, tells("No config.")) == ""
    assert said(stand) == []
    assert stand.edge.discuss(ADAPTER, TITLE, tells("No weights.")).endswith("/discussions/2")
    assert said(stand, "closed") == [("bot", "No config.")]


def test_a_repository_that_is_not_there_is_an_error_of_ours(stand: Stand) -> None:
    with pytest.raises(AdapterMergeError, match="org/nothing"):
        stand.edge.discuss("org/nothing", TITLE, tells("No config."))
