from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from adapter_merge.bot.web.deliveries import Heard
from adapter_merge.bot.web.journal import Journal
from adapter_merge.bot.web.payload import payload_of
from tests.bot.web.standin import NOW
from tests.bot.web.told import NEW, body

REFUSED = Heard(result="refused", reason="the secret is missing or wrong", peer="192.0.2.1")
READ = {"result": "queued", "reason": "next", "repo": "acme/adapter", "head": NEW}


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record)["facts"] for record in caplog.records]


def test_refusals_get_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [NOW]
    journal = Journal(None, lambda: now[0])
    for seconds in (0, 1, 59, 61, 62, 122):
        now[0] = NOW + timedelta(seconds=seconds)
        journal.note(REFUSED)
    assert [line["count"] for line in logged(caplog)] == [1, 3, 2]
    assert logged(caplog)[0]["peer"] == "192.0.2.1"


def test_what_was_read_is_logged_and_audited(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "adapter_merge")
    kept: list[Mapping[str, object]] = []
    journal = Journal(kept.append, lambda: NOW)
    for _ in range(2):
        journal.note(Heard(result="queued", reason="next", payload=payload_of(body())))
    journal.note(Heard(result="malformed", reason="it is no JSON"))
    assert kept == [{"event": "delivery", **READ}] * 2
    assert logged(caplog)[:2] == [READ] * 2
    assert caplog.records[2].levelno == logging.WARNING
