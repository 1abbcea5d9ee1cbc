"""A discussion that is opened once and then brought up to date, with the real client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from adapter_merge.errors import AdapterMergeError
from adapter_merge.localhub.faults import Cut, Fault, Lost, Status
from tests.published import ADAPTER, TOKEN, Stand, standing


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    with standing(tmp_path, xet=False, monkeypatch=monkeypatch) as stood:
        yield stood


TITLE = "The merge into `org/merged` fails"


def said(stand: Stand) -> list[tuple[str, str]]:
    """Who says what at the beginning of each open discussion."""
    api = HfApi(endpoint=stand.hub.url, token=TOKEN)
    found = api.get_repo_discussions(ADAPTER, discussion_status="open")
    events = [api.get_discussion_details(ADAPTER, d.num).events[0] for d in found]
    return [(e.author, getattr(e, "content", "")) for e in events]


def test_opens_one_and_brings_it_up_to_date(stand: Stand) -> None:
    stand.api.create_repo(ADAPTER)
    first = stand.edge.discuss(ADAPTER, TITLE, "No config.")
    again = stand.edge.discuss(ADAPTER, TITLE, "No weights.")
    assert first == again == f"{stand.hub.url}/{ADAPTER}/discussions/1"
    assert said(stand) == [("bot", "No weights.")]


@pytest.mark.parametrize("fault", [Lost(), Cut(), Status(status=502)])
def test_a_fault_makes_no_second(stand: Stand, fault: Lost | Cut | Status) -> None:
    stand.api.create_repo(ADAPTER)
    stand.hub.fail(Fault(on="POST .*/discussions$", does=fault))
    stand.edge.discuss(ADAPTER, TITLE, "No config.")
    assert said(stand) == [("bot", "No config.")]


def test_one_of_somebody_else_and_a_closed_one_are_left_alone(stand: Stand) -> None:
    stand.api.create_repo(ADAPTER)
    stand.hub.add_user("mallory", "hf_mallory")
    HfApi(endpoint=stand.hub.url, token="hf_mallory").create_discussion(
        ADAPTER, TITLE, description="mine"
    )
    stand.edge.discuss(ADAPTER, TITLE, "No config.")
    stand.api.change_discussion_status(ADAPTER, 2, "closed")
    stand.edge.discuss(ADAPTER, TITLE, "Again.")
    assert sorted(said(stand)) == [("bot", "Again."), ("mallory", "mine")]


def test_a_repository_that_is_not_there_is_an_error_of_ours(stand: Stand) -> None:
    with pytest.raises(AdapterMergeError, match="org/nothing"):
        stand.edge.discuss("org/nothing", TITLE, "No config.")
