"""The model repositories of an owner, as the Hub's list has them: pages, rights, and what a list may lack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapter_merge.errors import Corrupt, HubUnavailable, RequestError
from adapter_merge.hub.edge import HubEdge
from adapter_merge.localhub import Cut, Fault, LocalHub, Settings, Status
from adapter_merge.remote import Model
from tests.hub.stock import TOKEN, Stocked

LIST = r"GET /api/models\?"


def models(plain: Stocked, owner: str = "org", token: str | bool = TOKEN) -> list[Model]:
    return list(HubEdge(plain.client(token=token)).models(owner))


def test_each_has_its_head_and_its_files(plain: Stocked) -> None:
    plain.server.add_user("other", "hf_other")
    commit = plain.add("org/a", {"config.json": b"{}", "sub/x.json": b"{}"})
    plain.add("other/b", {"config.json": b"{}"})
    (found,) = models(plain)
    assert (found.repo, found.commit, found.private) == ("org/a", commit, False)
    assert found.files is not None
    assert {"config.json", "sub/x.json"} <= set(found.files)
    assert found.changed is not None
    assert abs((datetime.now(UTC) - found.changed).total_seconds()) < 60
    assert models(plain, "nobody") == []


def test_private_ones_are_for_those_who_may_read_them(plain: Stocked) -> None:
    plain.server.add_user("reader", "hf_readerstoken", role="read")
    plain.add("org/open", {"a": b""})
    plain.add("org/hidden", {"a": b""}, private=True)
    assert {m.repo: m.private for m in models(plain)} == {"org/open": False, "org/hidden": True}
    for token in ("hf_readerstoken", False):
        assert [m.repo for m in models(plain, token=token)] == ["org/open"]


@pytest.fixture
def paged(tmp_path: Path) -> Iterator[Stocked]:
    """A Hub with five repositories, two on a page."""
    with LocalHub(tmp_path / "hub", settings=Settings(xet=False, page=2)) as server:
        stocked = Stocked(server, tmp_path, xet=False)
        for number in range(5):
            stocked.add(f"org/m{number}", {"a": b""})
        yield stocked


def test_all_pages_are_read(paged: Stocked) -> None:
    assert [m.repo for m in models(paged)] == [f"org/m{n}" for n in range(5)]
    assert len([r for r in paged.server.requests if "author=org" in r.path]) == 3


def test_a_page_that_is_lost_is_asked_for_again(paged: Stocked) -> None:
    paged.server.fail(Fault(on="cursor=2", does=Cut()))
    paged.server.fail(Fault(on=LIST, does=Status(status=503)))
    assert len(models(paged)) == 5


def test_a_hub_that_does_not_answer_is_an_error(plain: Stocked) -> None:
    plain.server.fail(Fault(on=LIST, does=Status(status=503), times=9))
    with pytest.raises(HubUnavailable):
        models(plain)


def test_the_next_page_is_asked_of_the_same_hub(plain: Stocked) -> None:
    plain.add("org/a", {"a": b""})
    link = '<http://elsewhere.invalid/api/models?author=org&cursor=1>; rel="next"'
    first = Status(status=200, body=b"[]", headers={"Link": link})
    plain.server.fail(Fault(on=LIST, does=first))
    models(plain)
    assert plain.server.requests[-1].path.startswith("/api/models?author=org&cursor=1")


@pytest.mark.parametrize(
    ("entry", "model"),
    [
        ({"id": "org/a"}, Model(repo="org/a", private=True)),
        ({"id": "ORG/a", "private": False}, Model(repo="ORG/a")),
        ({"id": "org/a", "private": False, "sha": "main"}, Model(repo="org/a")),
        ({"id": "org/a", "private": False, "siblings": [{}]}, Model(repo="org/a")),
        (
            {"id": "org/a", "private": False, "siblings": [{"rfilename": "x\n::error::/y"}]},
            Model(repo="org/a"),
        ),
        ({"id": "org/a", "private": False, "siblings": []}, Model(repo="org/a", files=())),
        ({"id": "org/a", "private": False, "lastModified": "now"}, Model(repo="org/a")),
    ],
)
def test_what_a_list_lacks_is_not_known(
    plain: Stocked, entry: dict[str, object], model: Model
) -> None:
    body = json.dumps([entry]).encode()
    plain.server.fail(Fault(on=LIST, does=Status(status=200, body=body)))
    assert models(plain) == [model]


@pytest.mark.parametrize("repo", ["other/a", "a", "org/", "org/a/b", "org/../x", "org/-a", None])
def test_what_is_none_of_the_owner_s_is_passed_over(plain: Stocked, repo: object) -> None:
    body = json.dumps([{"id": repo, "private": False}]).encode()
    plain.server.fail(Fault(on=LIST, does=Status(status=200, body=body)))
    assert models(plain) == []


@pytest.mark.parametrize("answer", [{"error": "x"}, ["x"]])
def test_what_is_no_list_is_refused(plain: Stocked, answer: object) -> None:
    body = json.dumps(answer).encode()
    plain.server.fail(Fault(on=LIST, does=Status(status=200, body=body)))
    with pytest.raises(Corrupt, match="sends no list of the repositories of `org`"):
        models(plain)


def test_a_list_without_an_end_has_one(plain: Stocked) -> None:
    link = f'<{plain.server.url}/api/models?author=org&cursor=0>; rel="next"'
    endless = Status(status=200, body=b"[]", headers={"Link": link})
    plain.server.fail(Fault(on=LIST, does=endless, times=1_000))
    with pytest.raises(Corrupt, match="more than 100 pages"):
        models(plain)


def test_offline_there_is_no_list(plain: Stocked) -> None:
    with pytest.raises(RequestError, match="offline mode is on"):
        list(HubEdge(plain.client(offline=True)).models("org"))
