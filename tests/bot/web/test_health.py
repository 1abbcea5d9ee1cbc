from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapter_merge.bot.web.health import unready
from tests.bot.web.standin import NOW, WELL, Still, asked, served


@pytest.mark.parametrize(
    ("facts", "reasons"),
    [
        ({}, []),
        ({"looked": NOW - timedelta(minutes=15)}, []),
        ({"looked": NOW - timedelta(minutes=15, seconds=1)}, ["ended 901 s ago"]),
        ({"looked": None}, ["first round hasn't ended"]),
        ({"paused": True}, ["is paused"]),
        ({"trouble": "the Hub didn't answer"}, ["the Hub didn't answer"]),
        ({"free_bytes": 10**9, "floor_bytes": 10**9}, []),
        ({"free_bytes": 10**9 - 1, "floor_bytes": 2 * 10**9}, ["1000.0 MB are free"]),
        ({"gone": ("keeper", "worker")}, ["keeper, worker"]),
        ({"gone": ("worker",), "paused": True}, ["worker", "is paused"]),
    ],
)
def test_why_it_is_not_ready(facts: dict[str, Any], reasons: list[str]) -> None:
    found = unready(replace(WELL, **facts), NOW)
    assert len(found) == len(reasons)
    assert all(part in said for part, said in zip(reasons, found, strict=True))


def test_names_are_kept_from_strangers() -> None:
    """Who shows no pages tells no repository's name here either, and this bot shows none."""
    bot = Still(how=replace(WELL, trouble="the Hub doesn't answer about `acme/secret`"))
    with served(bot) as url:
        status, body = asked(url, "/readyz")
    assert status == 503
    assert json.loads(body)["reasons"] == ["the last round failed; the log says why"]


def test_what_is_answered() -> None:
    bot = Still()
    with served(bot) as url:
        assert asked(url, "/healthz") == (200, b'{"status":"ok","reasons":[]}')
        assert asked(url, "/readyz") == (200, b'{"status":"ok","reasons":[]}')
        bot.how = replace(WELL, paused=True)
        assert asked(url, "/healthz")[0] == 200
        status, body = asked(url, "/readyz")
        assert (status, json.loads(body)["status"]) == (503, "failing")
        bot.how = replace(WELL, gone=("worker",))
        status, body = asked(url, "/healthz")
        assert (status, json.loads(body)["reasons"]) == (503, ["no longer running: worker"])
