"""What a test can have go wrong, and that nothing else does."""

from __future__ import annotations

import time

import pytest

from adapter_merge.localhub import (
    Cut,
    Fault,
    Flipped,
    LocalHub,
    Lost,
    Short,
    Slow,
    Status,
)
from tests.localhub.ask import ask, commit
from tests.localhub.steps import TOKEN

REPO = "bot/a"
COMMIT = f"POST /api/models/{REPO}/commit/main"
FILE = f"GET /{REPO}/resolve/main/a.txt"
CONTENT = b"0123456789" * 10


@pytest.fixture(autouse=True)
def repo(hub: LocalHub) -> None:
    hub.add_repo(REPO, {"a.txt": CONTENT})


def test_a_status_is_given_as_often_as_asked_for_and_nothing_is_done(hub: LocalHub) -> None:
    before = hub.head(REPO)
    fault = Status(status=503, headers={"Retry-After": "7"}, body=b"busy")
    hub.fail(Fault(on=COMMIT, does=fault, times=2))
    for _ in range(2):
        got = ask(hub.url, COMMIT, token=TOKEN, body=commit({"b": b"b"}))
        assert (got.status, got.headers["retry-after"], got.body) == (503, "7", b"busy")
    assert hub.head(REPO) == before
    assert ask(hub.url, COMMIT, token=TOKEN, body=commit({"b": b"b"})).status == 200


def test_a_cut_request_is_not_done(hub: LocalHub) -> None:
    before = hub.head(REPO)
    hub.fail(Fault(on=COMMIT, does=Cut()))
    with pytest.raises(ConnectionError):
        ask(hub.url, COMMIT, token=TOKEN, body=commit({"b": b"b" * 5_000_000}))
    assert hub.head(REPO) == before
    assert hub.requests[-1].status == 0


def test_a_lost_answer_is_of_a_request_that_is_done(hub: LocalHub) -> None:
    before = hub.head(REPO)
    hub.fail(Fault(on=COMMIT, does=Lost()))
    with pytest.raises(ConnectionError):
        ask(hub.url, COMMIT, token=TOKEN, body=commit({"b": b"b"}))
    assert hub.head(REPO) != before
    assert hub.read(REPO, "b") == b"b"


def test_a_slow_answer_takes_its_time(hub: LocalHub) -> None:
    hub.fail(Fault(on=FILE, does=Slow(seconds=0.3)))
    begin = time.monotonic()
    assert ask(hub.url, FILE).body == CONTENT
    assert time.monotonic() - begin >= 0.3


def test_a_short_answer_ends_early(hub: LocalHub) -> None:
    hub.fail(Fault(on=FILE, does=Short(size=10)))
    with pytest.raises(ConnectionError):
        ask(hub.url, FILE)
    assert hub.requests[-1].sent == 10
    assert ask(hub.url, FILE).body == CONTENT


def test_flipped_bytes_keep_their_length(hub: LocalHub) -> None:
    hub.fail(Fault(on=FILE, does=Flipped()))
    got = ask(hub.url, FILE).body
    assert len(got) == len(CONTENT)
    assert [at for at, pair in enumerate(zip(got, CONTENT, strict=True)) if len(set(pair)) > 1] == [
        50
    ]


def test_a_fault_can_wait_for_its_turn(hub: LocalHub) -> None:
    hub.fail(Fault(on=FILE, does=Status(status=500), skip=2))
    assert [ask(hub.url, FILE).status for _ in range(4)] == [200, 200, 500, 200]


def test_a_fault_meets_only_what_it_names(hub: LocalHub) -> None:
    hub.fail(Fault(on=FILE, does=Status(status=500)))
    assert ask(hub.url, f"GET /api/models/{REPO}").status == 200
    hub.heal()
    assert ask(hub.url, FILE).status == 200


def test_a_request_that_failed_leaves_its_connection_sound(hub: LocalHub) -> None:
    import http.client

    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"))
    hub.fail(Fault(on=COMMIT, does=Status(status=500)))
    for status in (500, 401):
        connection.request("POST", COMMIT.split(" ")[1], body=commit({"b": b"b" * 100_000}))
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()


def test_requests_are_counted_with_their_bytes(hub: LocalHub) -> None:
    body = commit({"b": b"b"})
    ask(hub.url, COMMIT, token=TOKEN, body=body)
    ask(hub.url, FILE, headers={"Range": "bytes=0-9"})
    sent, got = hub.requests[-2:]
    assert (sent.method, sent.path) == ("POST", COMMIT.split(" ")[1])
    assert (sent.status, sent.user, sent.received) == (200, "bot", len(body))
    assert (got.status, got.user, got.received, got.sent) == (206, None, 0, 10)
