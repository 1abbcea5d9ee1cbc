from __future__ import annotations

from huggingface_hub.utils import parse_ratelimit_headers

from adapter_merge.localhub import LocalHub
from adapter_merge.localhub.limits import Limit, Limits
from tests.localhub.ask import ask
from tests.localhub.steps import TOKEN


def test_a_window_ends() -> None:
    now = 0.0
    limits = Limits(clock=lambda: now)
    limits.limit = Limit(requests=2, seconds=10)
    assert [limits.count("me").within for _ in range(3)] == [True, True, False]
    assert limits.count("you").within
    now = 10.0
    assert limits.count("me").within


def test_the_client_reads_how_long_it_must_wait(hub: LocalHub) -> None:
    hub.limit(2, 300)
    asked = [ask(hub.url, "GET /api/whoami-v2", token=TOKEN) for _ in range(3)]
    assert [got.status for got in asked] == [200, 200, 429]
    read = parse_ratelimit_headers(asked[2].headers)
    assert read is not None
    assert (read.remaining, read.limit, read.window_seconds) == (0, 2, 300)
    assert 0 < read.reset_in_seconds <= 300
    hub.limit(None)
    assert ask(hub.url, "GET /api/whoami-v2", token=TOKEN).status == 200
