"""Lists of repositories, as the real client asks for them: by author, in pages, and only what one may see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from adapter_merge.localhub import LocalHub, Settings
from tests.localhub.steps import TOKEN


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    """A Hub with two repositories on a page: three of `bot`, one of them private, and one of `other`."""
    with LocalHub(tmp_path / "hub", settings=Settings(page=2)) as started:
        started.add_user("bot", TOKEN)
        started.add_user("other", "hf_other")
        for name in ("bot/a", "bot/b", "other/c"):
            started.add_repo(name, {"x.json": b"{}"})
        started.add_repo("bot/hidden", {"x.json": b"{}"}, private=True)
        yield started


def ids(hub: LocalHub, token: str | bool, author: str = "bot") -> list[str]:
    return [m.id for m in HfApi(endpoint=hub.url, token=token).list_models(author=author)]


def test_one_author_s_come_page_by_page(hub: LocalHub) -> None:
    assert ids(hub, TOKEN) == ["bot/a", "bot/b", "bot/hidden"]
    pages = [r.path for r in hub.requests if r.path.startswith("/api/models")]
    assert len(pages) == 2
    assert "author=bot" in pages[1]


@pytest.mark.parametrize("token", ["hf_other", False])
def test_a_private_one_is_seen_by_its_own_people(hub: LocalHub, token: str | bool) -> None:
    assert ids(hub, token) == ["bot/a", "bot/b"]
    assert ids(hub, token, "other") == ["other/c"]


def test_a_list_tells_what_it_is_asked_for(hub: LocalHub, api: HfApi) -> None:
    asked = api.list_models(author="bot", expand=["sha", "private", "siblings"])
    found = {m.id: m for m in asked}
    assert found["bot/a"].sha == hub.head("bot/a")
    assert (found["bot/a"].private, found["bot/hidden"].private) == (False, True)
    siblings = found["bot/hidden"].siblings
    assert siblings is not None
    assert "x.json" in [s.rfilename for s in siblings]
    assert found["bot/a"].last_modified is None


def test_a_caller_can_ask_for_smaller_pages(hub: LocalHub, api: HfApi) -> None:
    assert [m.id for m in api.list_models(author="bot", limit=1)] == ["bot/a"]
