from __future__ import annotations

import json
from typing import Any

import pytest

from adapter_merge.bot.web.payload import Malformed, payload_of
from adapter_merge.bot.web.webhook import Hint, Ignored, judged
from adapter_merge.localhub.repos import Repo
from adapter_merge.localhub.webhooks import Webhook, addressed, moved, payload
from tests.bot.web.standin import Still
from tests.bot.web.told import NEW, OLD, told

CHANGED = Hint(repo="acme/adapter")
WORDS = {
    "kind": "it isn't about changed files",
    "type": "it isn't about a model",
    "own": "the bot writes to that repository itself",
    "foreign": "nothing here is made from that repository",
    "ref": "no branch or tag moved that counts",
}


def ref(name: str, new: str | None = NEW, old: str | None = OLD) -> dict[str, Any]:
    return {"ref": name, "oldSha": old, "newSha": new}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (told(), CHANGED),
        (told(event={"scope": "repo.content.files"}), CHANGED),
        (told(refs=[ref("refs/pr/1"), ref("refs/heads/main", old=None)]), CHANGED),
        (told(about={"private": True, "headSha": None}), CHANGED),
        (told(event={"action": "create"}), "kind"),
        (told(event={"action": "delete"}), "kind"),
        (told(event={"action": "UPDATE"}), "kind"),
        (told(event={"scope": "repo"}), "kind"),
        (told(event={"scope": "repo.config"}), "kind"),
        (told(event={"scope": "repo.contents"}), "kind"),
        (told(event={"scope": "discussion.comment"}), "kind"),
        (told(about={"type": "dataset"}), "type"),
        (told(about={"type": "space"}), "type"),
        (told("acme/merged"), "own"),
        (told("acme/chained"), "own"),
        (told("acme/other"), "foreign"),
        (told("evil/adapter"), "foreign"),
        (told("acme/adapter/../adapter"), "foreign"),
        (told("http://127.0.0.1:6379/acme/adapter"), "foreign"),
        (told(""), "foreign"),
        (told(refs=[]), "ref"),
        (told(refs=[ref("refs/heads/dev")]), "ref"),
        (told(refs=[ref("refs/pr/1")]), "ref"),
        (told(refs=[ref("refs/tags/main")]), "ref"),
        (told(refs=[ref("main")]), "ref"),
        (told(refs=[ref("refs/heads/main", None)]), "ref"),
    ],
)
def test_what_a_delivery_means(said: dict[str, Any], expected: Hint | str) -> None:
    main = ("refs/heads/main",)
    bot = Still(
        watched={"acme/adapter": main, "acme/chained": main},
        targets=frozenset({"acme/merged", "acme/chained"}),
    )
    found = judged(payload_of(json.dumps(said).encode()), bot)
    assert found == (expected if isinstance(expected, Hint) else Ignored(reason=WORDS[expected]))
    assert bot.hints == []


def test_what_the_hub_on_loopback_posts_is_understood() -> None:
    repo = Repo(id="acme/adapter", kind="model", owner="acme", oid="0" * 24, created=0.0)
    hook = Webhook(id="1", user="me", watched=(), domains=("repo",))
    happened = moved("refs/heads/main", OLD, NEW)
    posted = addressed(payload(happened, repo, url="http://127.0.0.1:1", head=NEW), hook)
    read = payload_of(json.dumps(posted).encode())
    assert read.repo.head_sha == NEW
    assert judged(read, Still()) == CHANGED


def test_refs_may_be_left_out() -> None:
    said = told()
    del said["updatedRefs"]
    found = judged(payload_of(json.dumps(said).encode()), Still())
    assert found == Ignored(reason=WORDS["ref"])


def _without(*path: str) -> bytes:
    said: dict[str, Any] = told()
    inner = said
    for part in path[:-1]:
        inner = inner[part]
    del inner[path[-1]]
    return json.dumps(said).encode()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe{}", "no JSON"),
        (b'{"event": "\xff"}', "no JSON"),
        (b"\x1f\x8b\x08", "no JSON"),
        (b"NaN", "`it`"),
        (b"[" * 1_000_000, "no JSON"),
        (b'{"event":' * 100_000, "no JSON"),
        (json.dumps(told()).encode()[:-1] + b',"x":' + b"[" * 500 + b"]" * 500 + b"}", "no JSON"),
        (json.dumps(told()).encode() + b"{}", "no JSON"),
        (b"[]", "`it`"),
        (b"null", "`it`"),
        (b'"acme/adapter"', "`it`"),
        (_without("event"), "`event`"),
        (_without("event", "scope"), "`event.scope`"),
        (_without("repo"), "`repo`"),
        (_without("repo", "name"), "`repo.name`"),
        (json.dumps(told(about={"name": 7})).encode(), "`repo.name`"),
        (json.dumps(told(about={"name": ["acme/adapter"]})).encode(), "`repo.name`"),
        (json.dumps(told("a" * 501)).encode(), "`repo.name`"),
        (json.dumps(told(refs=[{"newSha": NEW}])).encode(), "`updatedRefs.0.ref`"),
        (json.dumps(told(refs=[ref("r")] * 10_001)).encode(), "`updatedRefs`"),
        (json.dumps(told() | {"updatedRefs": None}).encode(), "`updatedRefs`"),
    ],
    ids=range(23),
)
def test_what_is_no_payload(body: bytes, why: str) -> None:
    with pytest.raises(Malformed) as raised:
        payload_of(body)
    assert why in str(raised.value)
    assert "acme" not in str(raised.value)
