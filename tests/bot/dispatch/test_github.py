"""Runs on GitHub: which one is ours, how far it is, and what its end means."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter_merge.bot.dispatch import Where, made
from adapter_merge.bot.dispatch.github import Github, Pace
from adapter_merge.bot.order import Ended, Order, Progress
from adapter_merge.errors import RequestError
from adapter_merge.localhub.faults import Cut, Fault, Status
from tests.bot.dispatch.places import Heard
from tests.bot.dispatch.workflow import run_name
from tests.github.steps import edge_of
from tests.github.stub import Stub, Workflow, github_stub

COMMIT = "c" * 40
ORDER = Order(target="org/merged", adapters={"org/one": COMMIT}, document="")
TITLE = f"Merge org/one @ {COMMIT}"
STEPS = ["Set up job", "Merge", "Complete job"]


@pytest.fixture
def stub() -> Iterator[Stub]:
    with github_stub() as started:
        yield started


def starts(stub: Stub, *runs: Workflow) -> None:
    """An event has these runs begin."""
    stub.state.started = lambda _: stub.state.runs.extend(runs)


def run(number: int = 7, title: str = TITLE, **more: Any) -> Workflow:
    return Workflow(id=number, title=title, steps=STEPS, **more)


def ended(conclusion: str = "success", number: int = 7, title: str = TITLE) -> Workflow:
    return run(number, title, status="completed", conclusion=conclusion, ended=3)


def carried_out(
    stub: Stub, heard: Heard | None = None, order: Order = ORDER, **pace: float
) -> Ended:
    known = {"look": 0.02, "begin": 0.3, "most": 20, **pace}
    there = Github(edge_of(stub.url, tries=2), pace=Pace(**known))
    return there.carry_out(order, (heard or Heard()).ears())


def test_the_event_says_what_was_pushed_and_its_run_is_followed(stub: Stub) -> None:
    heard, found = Heard(), run(status="in_progress", ended=1)

    def go_on(progress: Progress) -> None:
        heard.progress.append(progress)
        found.ended += 1
        if found.ended == len(STEPS):
            found.status, found.conclusion = "completed", "success"

    starts(stub, found)
    edge = edge_of(stub.url)
    ears = replace(heard.ears(), progress=go_on)
    done = Github(edge, pace=Pace(look=0.02)).carry_out(ORDER, ears)
    assert (done.outcome, done.url) == ("merged", heard.urls[0])
    (event,) = stub.state.events
    assert event["event_type"] == "adapter-pushed"
    assert event["client_payload"]["adapter"] == "org/one"
    assert event["client_payload"]["revision"] == COMMIT
    assert [(p.done, p.total) for p in heard.progress] == [(1, 3), (2, 3), (3, 3)]
    assert heard.lines == [f"{name}: ended" for name in STEPS]


@pytest.mark.parametrize(
    "title",
    [
        "Merge a push",
        f"Merge org/one-more @ {COMMIT}",
        f"Merge org/on @ {COMMIT}",
        f"Merge org/one @ {'d' * 40}",
        "Merge org/one @ ccc",
    ],
)
def test_a_run_of_another_push_is_not_ours(stub: Stub, title: str) -> None:
    starts(stub, ended(number=8, title=title))
    found = carried_out(stub)
    assert (found.outcome, found.again) == ("failed", False)
    assert "no run of `org/one` began in 0.3 s" in found.reason
    assert "`run-name`" in found.reason


def test_the_guides_title_is_known(stub: Stub) -> None:
    payload = "github.event.client_payload"
    filled = run_name().replace(f"${{{{ {payload}.adapter }}}}", "org/one")
    filled = filled.replace(f"${{{{ {payload}.revision }}}}", COMMIT)
    assert "$" not in filled
    starts(stub, ended(title=filled))
    assert carried_out(stub).outcome == "merged"


def test_a_short_commit_in_the_title_does(stub: Stub) -> None:
    starts(stub, ended(title=f"org/one@{COMMIT[:7]}"))
    assert carried_out(stub).outcome == "merged"


def test_a_run_that_ended_before_is_not_taken_for_the_new_one(stub: Stub) -> None:
    """The new one is there only after a while, as it is on GitHub."""
    stub.state.runs.append(ended("failure", number=3))
    new = ended("success", number=4)
    stub.state.started = lambda _: threading.Timer(0.15, stub.state.runs.append, [new]).start()
    assert carried_out(stub, begin=10).outcome == "merged"
    assert len(stub.state.events) == 1


def test_after_a_restart_the_same_run_is_followed(stub: Stub) -> None:
    going = run(status="in_progress", ended=1)
    stub.state.runs.append(going)

    def end() -> None:
        going.conclusion, going.status = "success", "completed"

    threading.Timer(0.2, end).start()
    assert carried_out(stub, Heard()).outcome == "merged"
    assert stub.state.events == []


@pytest.mark.parametrize(
    ("errors", "again", "code", "says"),
    [
        ([("PlanError, exit code 5", "no\nFix `it`.")], False, 5, "no. Fix `it`."),
        ([("HubUnavailable, exit code 9", "away\nWait.")], True, 9, "away. Wait."),
        ([("", "Process completed with exit code 10.")], False, None, "exit code 10."),
        ([("", "first"), ("DiskFull, exit code 6", "full\nFree.")], False, 6, "full. Free."),
        ([], False, None, "ended with `failure`. Look at https://github.com/org/models"),
    ],
)
def test_a_failure_by_what_its_page_shows(
    stub: Stub, errors: list[tuple[str, str]], again: bool, code: int | None, says: str
) -> None:
    failed = ended("failure")
    failed.errors = errors
    starts(stub, failed)
    found = carried_out(stub)
    assert (found.outcome, found.again, found.code) == ("failed", again, code)
    assert says in found.reason


def test_a_stop_cancels_the_run(stub: Stub) -> None:
    going = run(status="in_progress")
    stub.state.cancelled = lambda r: setattr(r, "conclusion", "cancelled")
    starts(stub, going)
    found = carried_out(stub, Heard(stop_at="steps"))
    assert (found.outcome, going.conclusion) == ("stopped", "cancelled")
    assert stub.asked("POST .*/cancel$") == 1


def test_a_run_that_people_cancelled_is_not_taken_for_a_stop(stub: Stub) -> None:
    starts(stub, ended("cancelled"))
    found = carried_out(stub)
    assert (found.outcome, found.again) == ("failed", False)
    assert "cancelled on GitHub" in found.reason


def test_a_run_without_an_end_is_waited_for_no_longer_than_that(stub: Stub) -> None:
    starts(stub, run(status="in_progress"))
    found = carried_out(stub, most=0.1)
    assert (found.outcome, found.again) == ("failed", False)
    assert "goes on after" in found.reason


def test_no_adapter_on_a_hub_is_nothing_for_a_workflow(stub: Stub) -> None:
    found = carried_out(stub, order=Order(target="org/merged", adapters={}, document=""))
    assert found.outcome == "failed"
    assert "--dispatch local" in found.reason
    assert stub.state.calls == []


@pytest.mark.parametrize(
    ("on", "does", "again", "times"),
    [
        ("GET .*/actions/runs", Status(status=503), True, 9),
        ("POST .*/dispatches", Status(status=502), True, 9),
        ("POST .*/dispatches", Cut(), False, 1),
        ("GET .*/runs/7/jobs", Status(status=500), True, 9),
        ("GET .*/actions/runs", Status(status=401), False, 1),
        ("POST .*/dispatches", Status(status=404), False, 1),
    ],
)
def test_a_github_that_does_not_answer(
    stub: Stub, on: str, does: Any, again: bool, times: int
) -> None:
    starts(stub, ended())
    stub.faults.add(Fault(on=on, does=does, times=times))
    found = carried_out(stub)
    if isinstance(does, Cut):
        assert found.outcome == "merged"
        return
    assert (found.outcome, found.again) == ("failed", again), found.reason
    assert "GitHub" in found.reason


_TO = Where(name="github", place=Path("no-such-folder"), repository="org/models")


@pytest.mark.parametrize(
    ("where", "environ", "says"),
    [
        (Where(name="github", place=_TO.place), {"GITHUB_TOKEN": "x"}, "needs the workflow's repo"),
        (_TO, {}, "needs a token for GitHub"),
        (_TO, {"GITHUB_TOKEN": "x", "GITHUB_API_URL": "http://a.b"}, "no address for a token"),
        (Where(name="jobs", place=_TO.place), {}, "needs an image"),
        (Where(name="jobs", place=_TO.place, image="a"), {}, "needs a token that its Jobs get"),
    ],
)
def test_what_is_missing_is_told_at_the_start(
    where: Where, environ: dict[str, str], says: str
) -> None:
    with pytest.raises(RequestError, match=says):
        made(where, environ)


@pytest.mark.parametrize(
    ("where", "environ"),
    [
        (_TO, {"GITHUB_TOKEN": "x"}),
        (Where(name="jobs", place=_TO.place, image="a"), {"HF_TOKEN": "x"}),
        (Where(name="local", place=_TO.place), {}),
    ],
    ids=["github", "jobs", "local"],
)
def test_each_is_made_by_its_name(where: Where, environ: dict[str, str]) -> None:
    there = made(where, environ)
    assert there.name == where.name
    there.clean()
