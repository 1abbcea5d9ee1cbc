"""What was asked of a Hub once isn't asked again, and what may have changed is."""

from __future__ import annotations

import pytest
from huggingface_hub import HfApi

from adapter_merge.errors import NotFound
from adapter_merge.hub.edge import HubEdge
from adapter_merge.hub.known import Kept
from adapter_merge.remote import Access
from adapter_merge.request import RepoRef
from tests.hub.stock import TOKEN, Stocked


def test_the_oldest_answer_makes_room() -> None:
    kept = Kept[str, int](2)
    assert [kept.keep(name, n) for n, name in enumerate("abac")] == [0, 1, 2, 3]
    assert [kept.get(name) for name in "abc"] == [2, None, 3]


def asked(plain: Stocked, what: str, since: int = 0) -> int:
    return sum(what in r.path for r in plain.server.requests[since:])


def test_a_commit_is_listed_once_and_access_asked_each_time(plain: Stocked) -> None:
    plain.add("org/a", {"config.json": b"{}"})
    edge, ref = HubEdge(plain.client(token=TOKEN)), RepoRef.model_validate("org/a")
    first, again = edge.open(ref), edge.open(ref)
    assert (again.files, again.pinned.commit) == (first.files, first.pinned.commit)
    assert (asked(plain, "/tree/"), asked(plain, "expand=sha")) == (1, 2)
    plain.add("org/a", {"more.json": b"{}"})
    assert "more.json" in edge.open(ref).files
    assert asked(plain, "/tree/") == 2


def test_a_target_is_read_again_once_its_head_moves(plain: Stocked) -> None:
    plain.add("org/a", {"README.md": b"# One\n"})
    edge, ref = HubEdge(plain.client(token=TOKEN)), RepoRef.model_validate("org/a")
    first = edge.target(ref, None)
    since = len(plain.server.requests)
    assert edge.target(ref, None) == first
    assert len(plain.server.requests) - since == 2
    plain.add("org/a", {"README.md": b"# Two\n"})
    found = edge.target(ref, None).readme
    assert found is not None
    assert found.body == "# Two\n"


def test_what_turned_private_is_seen_by_nobody_else(plain: Stocked) -> None:
    plain.server.add_user("reader", "hf_readerstoken", role="read")
    plain.add("org/a", {"config.json": b"{}"})
    edge, ref = HubEdge(plain.client(token="hf_readerstoken")), RepoRef.model_validate("org/a")
    edge.open(ref)
    assert edge.target(ref, None).access is Access.OPEN
    api = HfApi(endpoint=plain.server.url, token=TOKEN)
    api.update_repo_settings("org/a", private=True)
    assert edge.target(ref, None).access is None
    with pytest.raises(NotFound):
        edge.open(ref)
    assert HubEdge(plain.client(token=TOKEN)).target(ref, None).access is Access.PRIVATE
