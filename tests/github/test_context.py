from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter_merge.errors import RequestError
from adapter_merge.github.context import Context, read_context, run_record

_ENV = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_EVENT_NAME": "pull_request",
    "GITHUB_REPOSITORY": "us/here",
    "GITHUB_SHA": "a" * 40,
    "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_WORKFLOW": "merge",
}


def environment(tmp_path: Path, event: Any) -> dict[str, str]:
    path = tmp_path / "event.json"
    path.write_text(event if isinstance(event, str) else json.dumps(event))
    return {**_ENV, "GITHUB_EVENT_PATH": str(path)}


def pull(name: str | None) -> dict[str, Any]:
    repo = None if name is None else {"full_name": name, "private": False}
    return {
        "repository": {"full_name": "us/here", "private": False},
        "pull_request": {"number": 7, "head": {"sha": "b" * 40, "repo": repo}},
    }


@pytest.mark.parametrize(
    ("head", "fork"),
    [("us/here", None), ("them/fork", "them/fork"), (None, "a fork that is gone")],
)
def test_knows_a_fork(tmp_path: Path, head: str | None, fork: str | None) -> None:
    context = read_context(environment(tmp_path, pull(head)))

    assert context.fork == fork
    assert context.head == "b" * 40
    assert bool(context.why_no_secrets()) is (fork is not None)


def test_knows_who_gets_no_secrets() -> None:
    assert "dependabot[bot]" in Context(actor="dependabot[bot]").why_no_secrets()
    assert Context(actor="somebody").why_no_secrets() == ""


@pytest.mark.parametrize("event", ["{", "[" * 100_000, '{"pull_request": {"number": "x"}}'])
def test_refuses_what_github_does_not_write(tmp_path: Path, event: str) -> None:
    with pytest.raises(RequestError, match=r"event"):
        read_context(environment(tmp_path, event))


def test_a_receipt_names_the_run_but_no_private_repository(tmp_path: Path) -> None:
    told = run_record(environment(tmp_path, pull("us/here")))
    secret = pull("us/here")
    secret["repository"]["private"] = True
    kept = run_record(environment(tmp_path, secret))

    assert told is not None
    assert told.url == "https://github.com/us/here/actions/runs/77"
    assert kept is not None
    assert (kept.run_id, kept.attempt, kept.commit) == (77, 2, "a" * 40)
    assert (kept.repository, kept.workflow, kept.url) == (None, None, None)
    assert run_record({}) is None
