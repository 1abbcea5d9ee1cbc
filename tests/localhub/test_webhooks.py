"""Webhooks are posted, in the shape of the Hub's third version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from adapter_merge.localhub import LocalHub
from adapter_merge.localhub.repos import Repo
from adapter_merge.localhub.webhooks import Watched, Webhook
from tests.localhub.receiver import Receiver, receiving

REPO = "bot/a"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def hook(hub: LocalHub, api: HfApi, receiver: Receiver) -> str:
    """A webhook on everything of `bot`, made after its repository; the result is its id."""
    hub.add_repo(REPO, {"a.txt": b"a"})
    watched: Any = [{"type": "user", "name": "bot"}]
    return api.create_webhook(url=receiver.url, watched=watched, secret="s3cret").id


def test_a_push_is_told(hub: LocalHub, api: HfApi, receiver: Receiver, hook: str) -> None:
    old = hub.head(REPO)
    made = api.upload_file(path_or_fileobj=b"b", path_in_repo="b.txt", repo_id=REPO)
    (delivery,) = hub.wait_for_deliveries(1)
    ((headers, payload),) = receiver.got
    assert delivery.status == 200
    assert headers["X-Webhook-Secret"] == "s3cret"
    assert headers["Content-Type"] == "application/json"
    identity = payload["repo"].pop("id")
    owner = payload["repo"]["owner"].pop("id")
    assert (len(identity), len(owner)) == (24, 24)
    assert payload == {
        "event": {"action": "update", "scope": "repo.content"},
        "repo": {
            "type": "model",
            "name": REPO,
            "private": False,
            "headSha": made.oid,
            "owner": {},
            "url": {"web": f"{hub.url}/{REPO}", "api": f"{hub.url}/api/models/{REPO}"},
        },
        "updatedRefs": [{"ref": "refs/heads/main", "oldSha": old, "newSha": made.oid}],
        "webhook": {"id": hook, "version": 3},
    }


def test_a_pull_request_moves_a_ref_of_its_own(
    hub: LocalHub, api: HfApi, receiver: Receiver, hook: str
) -> None:
    head = hub.head(REPO)
    change = CommitOperationAdd("b.txt", b"b")
    made = api.create_commit(REPO, [change], commit_message="m", create_pr=True)
    hub.wait_for_deliveries(2)
    opened, moved = (payload for _, payload in receiver.got)
    assert opened["event"] == {"action": "create", "scope": "discussion"}
    assert opened["discussion"]["isPullRequest"]
    assert opened["discussion"]["changes"] == {"base": "refs/heads/main"}
    assert moved["updatedRefs"] == [{"ref": "refs/pr/1", "oldSha": None, "newSha": made.oid}]
    assert moved["repo"]["headSha"] == head


def test_all_that_moves_a_ref_is_told(
    hub: LocalHub, api: HfApi, receiver: Receiver, hook: str
) -> None:
    head = hub.head(REPO)
    api.create_tag(REPO, tag="v1")
    api.delete_tag(REPO, tag="v1")
    api.create_branch(REPO, branch="b")
    hub.wait_for_deliveries(3)
    refs = [payload["updatedRefs"][0] for _, payload in receiver.got]
    assert refs == [
        {"ref": "refs/tags/v1", "oldSha": None, "newSha": head},
        {"ref": "refs/tags/v1", "oldSha": head, "newSha": None},
        {"ref": "refs/heads/b", "oldSha": None, "newSha": head},
    ]


def test_other_events_have_their_scopes(
    hub: LocalHub, api: HfApi, receiver: Receiver, hook: str
) -> None:
    api.create_repo("bot/b")
    api.update_repo_settings("bot/b", private=True)
    talk = api.create_discussion(REPO, title="t", description="d")
    api.comment_discussion(REPO, talk.num, comment="hi")
    api.delete_repo("bot/b")
    hub.wait_for_deliveries(5)
    payloads = [payload for _, payload in receiver.got]
    assert [(p["event"]["scope"], p["event"]["action"]) for p in payloads] == [
        ("repo", "create"),
        ("repo.config", "update"),
        ("discussion", "create"),
        ("discussion.comment", "create"),
        ("repo", "delete"),
    ]
    assert payloads[1]["updatedConfig"] == {"private": True}
    assert payloads[3]["comment"]["content"] == "hi"
    assert "headSha" not in payloads[3]["repo"]


def test_who_does_not_answer_is_told_once(
    hub: LocalHub, api: HfApi, receiver: Receiver, hook: str
) -> None:
    receiver.status = 500
    api.create_tag(REPO, tag="v1")
    assert [d.status for d in hub.wait_for_deliveries(1)] == [500]
    api.update_webhook(hook, url="http://127.0.0.1:9/", watched=[{"type": "user", "name": "bot"}])
    api.create_tag(REPO, tag="v2")
    assert [d.status for d in hub.wait_for_deliveries(2)] == [500, 0]
    assert len(receiver.got) == 1


def test_a_delivery_can_be_made_again(
    hub: LocalHub, api: HfApi, receiver: Receiver, hook: str
) -> None:
    api.create_tag(REPO, tag="v1")
    (delivery,) = hub.wait_for_deliveries(1)
    hub.replay(delivery)
    hub.wait_for_deliveries(2)
    assert receiver.got[0][1] == receiver.got[1][1]


def test_a_disabled_webhook_is_told_nothing(
    hub: LocalHub, api: HfApi, receiver: Receiver, hook: str
) -> None:
    api.disable_webhook(hook)
    api.create_tag(REPO, tag="v1")
    api.enable_webhook(hook)
    api.create_tag(REPO, tag="v2")
    (delivery,) = hub.wait_for_deliveries(1)
    assert delivery.payload["updatedRefs"] == receiver.got[0][1]["updatedRefs"]
    assert receiver.got[0][1]["updatedRefs"][0]["ref"] == "refs/tags/v2"


@pytest.mark.parametrize(
    ("type_", "name", "domains", "wants"),
    [
        ("user", "bot", ("repo",), True),
        ("org", "bot", ("repo",), True),
        ("model", "bot/a", ("repo",), True),
        ("model", "bot/b", ("repo",), False),
        ("dataset", "bot/a", ("repo",), False),
        ("user", "other", ("repo",), False),
        ("user", "bot", ("discussion",), False),
    ],
)
def test_who_is_told(type_: Any, name: str, domains: tuple[str, ...], wants: bool) -> None:
    watched = (Watched(type=type_, name=name),)
    hook = Webhook(id="1", user="bot", watched=watched, domains=domains)
    repo = Repo(kind="model", id="bot/a", owner="1", oid="2", created=0)
    assert hook.wants(repo, "repo.content") is wants
