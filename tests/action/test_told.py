"""What the real PyGithub leaves on GitHub's API on loopback when a step tells of itself."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapter_merge.action.step import read_step
from adapter_merge.action.tokens import Tokens
from adapter_merge.action.told import Audience, audience, tell
from adapter_merge.errors import RequestError
from adapter_merge.github.commands import Log
from adapter_merge.github.context import Context, Event
from adapter_merge.github.summary import Told
from adapter_merge.localhub.faults import Cut, Fault, Slow
from adapter_merge.report import ErrorRecord
from tests.action.test_main import Ended, step
from tests.build import Case, make_case
from tests.github.steps import SHA, edge_of, report
from tests.github.stub import REPO, TOKEN, Stub, github_stub

HEAD = "b" * 40
PULL = {"pull_request": {"number": 3, "head": {"sha": HEAD, "repo": {"full_name": REPO}}}}
SECRET = "hf_secretsecret"
ALL = "comment, status, check"


@pytest.fixture
def github() -> Iterator[Stub]:
    with github_stub() as stub:
        yield stub


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path / "case")


def told_step(
    stub: Stub,
    case: Case,
    *,
    command: str = "plan",
    stopped: Callable[[], bool] | None = None,
    **inputs: str,
) -> Ended:
    place = case.to.parent / "step"
    place.mkdir(exist_ok=True)
    event = place / "event.json"
    event.write_text(json.dumps(PULL))
    env = {
        "GITHUB_API_URL": stub.url,
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(event),
    }
    given = {"adapter": str(case.adapter), "base": str(case.base), "to": str(case.to)}
    wanted = {"command": command, "tell": ALL, "github_token": TOKEN, "probe": "off"}
    return step(place, env=env, stopped=stopped, **{**given, **wanted, **inputs})


def hearers(stub: Stub, *places: str, pull: int | None = 3) -> Audience:
    asked = read_step({"INPUT_COMMAND": "sync", "INPUT_TELL": " ".join(places)})
    context = Context(repository=REPO, sha=SHA, api_url=stub.url)
    tokens = Tokens(github=TOKEN, has_hub=True, secrets=(TOKEN, SECRET))
    found = audience(asked, context, tokens)
    assert found is not None
    return replace(found, edge=edge_of(stub.url), pull=pull)


def said(to: Audience, told: Told) -> str:
    stream = io.StringIO()
    tell(to, told, Log(stream))
    return stream.getvalue()


def test_a_plan_is_told_once_however_often_it_is_made(github: Stub, case: Case) -> None:
    ends = [told_step(github, case) for _ in range(2)]

    assert [e.code for e in ends] == [0, 0], ends[0].log + ends[1].log
    (comment,) = github.state.comments[3]
    (status,) = github.state.statuses[HEAD]
    (check,) = github.state.checks
    assert "\n## ✎ planned: `" in comment["body"]
    assert "```mermaid" not in comment["body"]
    assert "<details>" not in comment["body"]
    assert f"{REPO}/actions/runs/7" in comment["body"]
    assert (status["state"], status["description"]) == ("success", "planned")
    assert (check["head_sha"], check["conclusion"]) == (HEAD, "success")
    assert status["context"] == check["name"]
    assert status["context"].startswith("adapter-merge plan: ")
    assert not case.to.exists()


def test_a_failure_is_told_under_the_same_name(github: Stub, case: Case) -> None:
    told_step(github, case)
    (case.adapter / "adapter_model.safetensors").write_bytes(b"{")

    ended = told_step(github, case)

    assert ended.code != 0
    (comment,) = github.state.comments[3]
    assert "**Corrupt**" in comment["body"]
    assert [s["state"] for s in github.state.statuses[HEAD]] == ["failure", "success"]
    assert len({s["context"] for s in github.state.statuses[HEAD]}) == 1
    assert [c["conclusion"] for c in github.state.checks] == ["failure"]


def test_a_right_that_is_missing_is_a_warning_and_the_merge_stands(
    github: Stub, case: Case
) -> None:
    github.state.denied |= {"statuses", "check-runs", "comments"}

    ended = told_step(github, case, command="run")

    assert (ended.code, ended.outputs["status"]) == (0, "merged"), ended.log
    warnings = [
        line for line in ended.log.splitlines() if line.startswith("::warning title=not told")
    ]
    rights = {m[1] for m in re.finditer(r"`permissions: ([\w-]+: write)`", "".join(warnings))}
    assert len(warnings) == 3
    assert rights == {"statuses: write", "checks: write", "pull-requests: write"}


def test_a_stop_while_it_is_told_changes_no_output(github: Stub, case: Case) -> None:
    github.faults.add(Fault(on="GET .*/comments", does=Slow(seconds=2)))
    summary = case.to.parent / "step" / "summary.md"

    def is_told() -> bool:
        return summary.exists() and summary.stat().st_size > 0

    ended = told_step(github, case, command="run", tell="comment", stopped=is_told)

    assert (ended.code, ended.outputs["status"]) == (130, "merged"), ended.log
    assert ended.outputs["merged-repo"] == str(case.to)
    assert ended.summary.count("## ✓ merged") == 1
    assert "failed" not in ended.summary
    assert "::error title=Interrupted" in ended.log


def test_without_a_token_nothing_is_begun(github: Stub, case: Case) -> None:
    ended = told_step(github, case, command="run", github_token="")

    assert ended.code == 2
    assert "input `tell` needs the input `github-token`" in ended.log
    assert not case.to.exists()


def test_where_no_pull_request_is_only_the_commit_hears(github: Stub) -> None:
    to = hearers(github, "comment", "status", pull=None)

    assert said(to, Told(reports=(report(),))) == ""

    assert (github.state.comments, github.state.checks) == ({}, [])
    (status,) = github.state.statuses[SHA]
    assert status["target_url"] == to.url


def test_a_place_that_was_not_asked_for_hears_nothing(github: Stub) -> None:
    said(hearers(github, "check"), Told(reports=(report(),)))

    assert github.asked("POST") == github.asked("POST .*/check-runs") == 1


def test_of_several_merges_there_is_one_mark(github: Stub) -> None:
    error = ErrorRecord(type="Gated", code=3, message="`org/base` is gated", hint="Ask.")
    failed = report(status="failed", to="org/other", error=error)

    said(hearers(github, "comment", "status"), Told(reports=(report(), failed, report(to="org/a"))))

    (status,) = github.state.statuses[SHA]
    assert (status["state"], status["description"]) == ("failure", "2 merged, 1 failed")
    assert status["context"] == "adapter-merge sync: merges.yaml"
    assert "| ✕ | `org/other` |" in github.state.comments[3][0]["body"]


def test_what_one_place_does_not_take_the_others_do(github: Stub) -> None:
    github.faults.add(Fault(on="POST .*/statuses", does=Cut(), times=99))

    log = said(hearers(github, "comment", "status", "check"), Told(reports=(report(),)))

    assert log.count("::warning title=not told::GitHub doesn't answer") == 1
    assert (len(github.state.comments[3]), len(github.state.checks)) == (1, 1)


def test_no_secret_is_told_and_nobody_is_called(github: Stub) -> None:
    error = ErrorRecord(type="Corrupt", code=3, message=f"@org/team {SECRET} a@b", hint="Look.")

    said(
        hearers(github, "comment", "status", "check"),
        Told(reports=(report(status="failed", error=error),)),
    )

    (comment,), (status,), (check,) = (
        github.state.comments[3],
        github.state.statuses[SHA],
        github.state.checks,
    )
    for text in (comment["body"], status["description"], *check["output"].values()):
        assert SECRET not in str(text)
        assert "@org" not in str(text)
    assert "*** a@b" in status["description"]


@pytest.mark.parametrize("run", [Context(), Context(repository=REPO)])
def test_there_is_no_audience_outside_of_a_run(run: Context) -> None:
    tokens = Tokens(github=TOKEN, has_hub=False, secrets=())
    asked = read_step({"INPUT_COMMAND": "verify", "INPUT_FOLDER": "./m", "INPUT_TELL": "check"})

    with pytest.raises(RequestError, match="input `tell`"):
        audience(asked, run, tokens)


@pytest.mark.parametrize("text", ["", "none"])
def test_nobody_hears_of_it_by_default(text: str) -> None:
    asked = read_step({"INPUT_COMMAND": "verify", "INPUT_FOLDER": "./m", "INPUT_TELL": text})

    assert audience(asked, Context(), Tokens(github=None, has_hub=False, secrets=())) is None


@pytest.mark.parametrize(
    ("text", "why"), [("mail", "`mail` is not one of"), ("none check", "`none` excludes")]
)
def test_names_a_place_that_is_none(text: str, why: str) -> None:
    with pytest.raises(RequestError, match=f"input `tell`: {why}"):
        read_step({"INPUT_TELL": text})


def speaks(*, private: bool, dry: bool = False, **inputs: str) -> str:
    given = {"COMMAND": "sync", "TELL": "discussion", **inputs}
    asked = read_step({f"INPUT_{name}": value for name, value in given.items()})
    event = Event.model_validate({"repository": {"full_name": REPO, "private": private}})
    context = Context(repository=REPO, workflow="Sync", sha=SHA, event=event)
    found = audience(asked, context, Tokens(github=None, has_hub=True, secrets=()), dry=dry)
    assert found is not None
    assert found.edge is None  # no token of GitHub's is needed for it
    return found.speaks


def test_people_hear_who_speaks_and_of_a_private_repository_no_name() -> None:
    assert f"`Sync` of https://github.com/{REPO}" in speaks(private=False)
    assert "a workflow on GitHub" in speaks(private=True)
    assert REPO not in speaks(private=True)


def test_people_hear_nothing_of_a_dry_run_or_a_look_at_a_folder() -> None:
    assert speaks(private=False, dry=True) == ""
    assert speaks(private=False, COMMAND="check", FOLDER="./merged") == ""
