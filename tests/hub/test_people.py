"""Authors, members and resource groups, asked of a Hub on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from adapter_merge.errors import HubUnavailable
from adapter_merge.hub.edge import HubEdge
from adapter_merge.localhub import Fault, Status
from adapter_merge.localhub.routes import auth, info
from adapter_merge.localhub.wire import reply
from adapter_merge.remote import RepoFacts
from tests.published import Stand, standing

CONFIG, WEIGHTS = "adapter_config.json", "weights.txt"


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    with standing(tmp_path, xet=False, monkeypatch=monkeypatch) as made:
        made.hub.add_user("mia", "hf_mia")
        made.hub.add_organisation("org", {"bot": "write", "mia": "write", "reader": "read"})
        yield made


def push(stand: Stand, token: str, *paths: str, pull_request: bool = False) -> str:
    api = HfApi(endpoint=stand.hub.url, token=token)
    api.create_repo("org/a", exist_ok=True)
    added = [CommitOperationAdd(path, f"{token} {path}".encode()) for path in paths]
    made = api.create_commit("org/a", added, commit_message="Push", create_pr=pull_request)
    return str(made.oid)


def test_authors_are_those_of_the_files(stand: Stand) -> None:
    first = push(stand, "hf_mia", CONFIG, WEIGHTS)
    last = push(stand, "hf_bot", WEIGHTS)
    edge = stand.edge
    assert edge.authors("org/a", first, [CONFIG, WEIGHTS]) == frozenset({"mia"})
    assert edge.authors("org/a", last, [CONFIG]) == frozenset({"mia"})
    assert edge.authors("org/a", last, [CONFIG, WEIGHTS]) == frozenset({"mia", "bot"})


def test_a_commit_of_a_pull_request_has_no_known_author(stand: Stand) -> None:
    push(stand, "hf_mia", CONFIG)
    commit = push(stand, "hf_mia", WEIGHTS, pull_request=True)
    assert stand.edge.authors("org/a", commit, [CONFIG]) is None


@pytest.mark.parametrize(
    ("repo", "paths"), [("org/none", [CONFIG]), ("org/a", []), ("org/a", ["x"])]
)
def test_what_is_not_there_has_no_author(stand: Stand, repo: str, paths: list[str]) -> None:
    commit = push(stand, "hf_mia", CONFIG)
    assert stand.edge.authors(repo, commit, paths) is None


def test_members(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stand.edge.members("org") == frozenset({"bot", "mia", "reader"})
    assert stand.edge.members("nobody") is None
    assert stand.edge.members("../whoami") is None
    people = [{"user": "mia", "role": "no_access"}, {"user": "bot", "role": "read"}, {"user": 1}]
    monkeypatch.setattr(auth, "reply", lambda _members: reply(people))
    assert stand.edge.members("org") == frozenset({"bot"})


def test_resource_groups(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    push(stand, "hf_mia", CONFIG)
    assert stand.edge.facts("org/a") == RepoFacts(repo="org/a", in_group=False)
    stand.hub.add_resource_group("core", ["bot"], ["org/a"])
    assert stand.edge.facts("org/a", target=True) == RepoFacts(repo="org/a", in_group=True)
    monkeypatch.setattr(info, "_expanded", lambda _ask, said: {"id": said["id"]})
    assert stand.edge.facts("org/a") == RepoFacts(repo="org/a", in_group=None)
    assert stand.edge.facts("org/none") is None


def test_whose_token_reads(stand: Stand) -> None:
    assert stand.edge.account() == "bot"


@pytest.mark.parametrize("what", ["facts", "members", "account", "authors"])
def test_silence_is_no_answer(stand: Stand, what: str) -> None:
    commit = push(stand, "hf_mia", CONFIG)
    stand.hub.fail(Fault(on="GET", does=Status(status=503), times=50))
    edge: HubEdge = stand.edge
    asked: dict[str, Callable[[], object]] = {
        "facts": lambda: edge.facts("org/a"),
        "members": lambda: edge.members("org"),
        "account": edge.account,
        "authors": lambda: edge.authors("org/a", commit, [CONFIG]),
    }
    with pytest.raises(HubUnavailable):
        asked[what]()
