from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from adapter_merge.bot.web.app import Beside
from adapter_merge.bot.web.limits import MOST_BYTES
from tests.bot.web.standin import NOW, SECRET, Still, asked, served
from tests.bot.web.told import NEW, body, told

SENT = {"X-Webhook-Secret": SECRET}


def posted(
    url: str, content: bytes, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    status, text = asked(url, "/webhook", content, SENT if headers is None else headers)
    return status, json.loads(text)


def test_a_push_is_a_hint_and_answered_at_once() -> None:
    bot = Still()
    with served(bot) as url:
        status, answer = posted(url, body())
        assert (status, answer["status"]) == (202, "queued")
        status, answer = posted(url, body())
        assert (status, answer["status"]) == (202, "queued")
        assert "anyway" in answer["reason"]
    assert bot.hints == ["acme/adapter"] * 2


def test_what_asks_for_nothing_is_ignored_with_its_reason() -> None:
    bot = Still()
    with served(bot) as url:
        for repo in ("acme/merged", "acme/other"):
            status, answer = posted(url, body(repo=repo))
            assert (status, answer["status"]) == (202, "ignored")
            assert repo not in answer["reason"]
    assert bot.hints == []


WRONG: tuple[dict[str, str], ...] = (
    {},
    {"X-Webhook-Secret": ""},
    {"X-Webhook-Secret": "wrong"},
    {"X-Webhook-Secret": SECRET[:-1]},
    {"X-Webhook-Secret": f"{SECRET}."},
    {"X-Webhook-Secret": SECRET.upper()},
    {"Authorization": f"Bearer {SECRET}"},
    {"X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1"},
)


def test_without_the_secret_every_answer_is_the_same() -> None:
    bot = Still()
    bodies = (body(), b"[" * 100, b"x" * (MOST_BYTES + 1))
    with served(bot) as url:
        answers = [posted(url, content, headers) for headers in WRONG for content in bodies]
    reason = "the secret is missing or wrong"
    assert answers == [(401, {"status": "refused", "reason": reason})] * len(answers)
    assert bot.hints == []


def test_what_is_no_payload_is_a_bad_request() -> None:
    with served(Still()) as url:
        for content in (b"", b"\xff", b"[" * 1_000_000, b'{"event": 1}'):
            status, answer = posted(url, content)
            assert (status, answer["status"]) == (400, "malformed")


def test_a_body_has_a_longest_length() -> None:
    fits = body() + b" " * (MOST_BYTES - len(body()))
    with served(Still()) as url:
        assert posted(url, fits)[0] == 202
        status, answer = posted(url, fits + b" ")
        assert (status, answer["status"]) == (413, "too-long")


def test_addresses_in_a_payload_are_never_asked() -> None:
    other = Still()
    with served(other) as elsewhere, served(Still()) as url:
        said = told() | {"url": elsewhere, "callback": f"{elsewhere}/webhook"}
        said["repo"]["url"] = {"web": elsewhere, "api": f"{elsewhere}/webhook"}
        assert posted(url, json.dumps(said).encode())[0] == 202
        assert posted(url, body(repo=f"{elsewhere}/acme/adapter"))[1]["status"] == "ignored"
        _, figures = asked(elsewhere, "/metrics")
    assert b'deliveries_total{result="refused"} 0.0' in figures


def test_decisions_on_what_came_with_the_secret_are_kept() -> None:
    kept: list[Mapping[str, object]] = []
    with served(Still(), Beside(audit=kept.append, clock=lambda: NOW)) as url:
        posted(url, body(), {})
        posted(url, b"[")
        posted(url, body())
        posted(url, body(repo="acme/merged"))
    assert [line["result"] for line in kept] == ["queued", "ignored"]
    assert kept[0] == {
        "event": "delivery",
        "result": "queued",
        "reason": "that repository is looked at next",
        "repo": "acme/adapter",
        "head": NEW,
    }


def test_it_takes_posts_alone_and_shows_no_api() -> None:
    with served(Still()) as url:
        assert asked(url, "/webhook")[0] == 405
        for path in ("/docs", "/redoc", "/openapi.json", "/webhook/", "/nowhere"):
            assert asked(url, path)[0] in (404, 307)
