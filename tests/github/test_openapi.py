"""What we ask of GitHub, and what our stub answers, against GitHub's own description of its API."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from github.GithubException import GithubException

from adapter_merge.github import runs
from adapter_merge.github.checks import mark_of, set_check
from adapter_merge.github.comments import comment
from adapter_merge.github.releases import release
from tests.github.openapi import DESCRIPTION, MODULES, faults_of
from tests.github.steps import edge_of, report, steps, wish
from tests.github.stub import REPO, Call, State, Stub, Workflow, github_stub

PRISM = MODULES / ".bin/prism"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DESCRIPTION.exists(), reason="`make test-github-api` brings it"),
]


def tell_all(url: str, folder: Path) -> None:
    """Everything new, then everything changed."""
    edge = edge_of(url, tries=1)
    for act in steps(edge, folder).values():
        act()
    comment(edge, 3, "plan", ("another word",))
    bad = mark_of(report(status="failed"), summary="bad", url="https://github.com/org/models")
    set_check(edge, "a" * 40, bad)
    release(edge, wish(folder, "two"))


def look_at_runs(state: State, url: str) -> None:
    """The repository, and everything that is asked of its runs, in each of their states."""
    ended = {"status": "completed", "conclusion": "failure", "ended": 2}
    names = ["Set up job", "Merge"]
    state.runs = [
        Workflow(id=1, title="one", steps=names, errors=[("A", "b"), ("", "c")], **ended),  # type: ignore[arg-type]
        Workflow(id=2, title="two", steps=names, status="in_progress", ended=1),
        Workflow(id=3, title="three", steps=names),
    ]
    edge = edge_of(url, tries=1)
    assert edge.repo.complete().full_name == REPO
    assert len(runs.by_event(edge)) == 3
    for number in (1, 2, 3):
        runs.steps(edge, number)
        runs.cancel(edge, number)
    assert len(runs.problems(edge, 1)) == 2


@pytest.mark.parametrize("login", [None, "ada"])
def test_every_request_and_every_answer_is_as_github_describes_it(
    tmp_path: Path, login: str | None
) -> None:
    with github_stub() as stub:
        stub.state.login = login
        tell_all(stub.url, tmp_path / "kept")
        look_at_runs(stub.state, stub.url)
        found = [
            f"{call.method} {call.path}: {fault}"
            for call, status, answer in stub.state.calls
            for fault in faults_of(call, status, answer)
        ]
    assert found == []
    assert len(stub.state.calls) > 25


@pytest.mark.parametrize(
    ("call", "status", "answer", "says"),
    [
        (Call("GET", "/repos/o/r/nothing", {}, b""), 200, {}, "GitHub has no"),
        (Call("POST", "/repos/o/r/releases", {}, b'{"draft": 1}'), 404, {}, "sent"),
        (Call("GET", "/repos/o/r/releases", {"best": ["1"]}, b""), 200, [], "is no parameter"),
        (Call("GET", "/repos/o/r/releases", {}, b""), 200, [{"id": 1}], "answered"),
        (Call("GET", "/repos/o/r/releases", {}, b""), 299, [], "is no answer"),
    ],
)
def test_a_request_that_github_does_not_have_is_seen(
    call: Call, status: int, answer: object, says: str
) -> None:
    assert any(says in fault for fault in faults_of(call, status, answer))


@contextmanager
def prism(stub: Stub) -> Iterator[str]:
    """Prism before the stub: it answers with an error what isn't in GitHub's description."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(PRISM), "proxy", "--errors", "--port", str(port), str(DESCRIPTION), stub.url]
    running = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _await(port)
        stub.state.url = f"http://127.0.0.1:{port}"
        yield stub.state.url
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def _await(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail("Prism didn't begin to listen")


@pytest.mark.skipif(not PRISM.exists(), reason="`make test-github-api` brings it")
def test_prism_lets_every_request_through(tmp_path: Path) -> None:
    with github_stub() as stub, prism(stub) as url:
        stub.state.login = "ada"
        tell_all(url, tmp_path / "kept")
        look_at_runs(stub.state, url)
        (standing,) = stub.state.releases
        with pytest.raises(GithubException, match="422"):
            edge_of(url).repo.requester.requestJsonAndCheck(
                "POST", "/repos/org/models/releases", input={"draft": 1}
            )
        assert stub.asked("POST .*/releases$") == 1
    assert not standing["draft"]
    assert len(standing["assets"]) == 3
