"""Runs of workflows as GitHub tells of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapter_merge.errors import Refused
from adapter_merge.github import runs
from adapter_merge.github.runs import Problem, Run, Step
from adapter_merge.localhub.faults import Fault, Lost
from tests.github.steps import edge_of
from tests.github.stub import Stub, Workflow, github_stub

STEPS = ["Set up job", "Merge", "Complete job"]


@pytest.fixture
def stub() -> Iterator[Stub]:
    with github_stub() as started:
        started.state.runs = [
            Workflow(
                id=1, title="one", steps=STEPS, status="completed", conclusion="failure", ended=3
            ),
            Workflow(id=2, title="two", steps=STEPS, status="in_progress", ended=1),
            Workflow(id=3, title="three", steps=STEPS),
        ]
        yield started


def test_the_newest_come_first(stub: Stub) -> None:
    found = runs.by_event(edge_of(stub.url))
    assert [(r.id, r.title, r.conclusion) for r in found] == [
        (3, "three", None),
        (2, "two", None),
        (1, "one", "failure"),
    ]
    (call, _, _) = stub.state.calls[0]
    assert call.query["event"] == ["repository_dispatch"]
    assert runs.seen(edge_of(stub.url), 1) == found[2]
    assert found[2] == Run(
        id=1, title="one", url="https://github.com/org/models/actions/runs/1", conclusion="failure"
    )


def test_steps_say_how_far_it_is(stub: Stub) -> None:
    edge = edge_of(stub.url)
    assert [(s.name, s.state) for s in runs.steps(edge, 2)] == [
        ("Set up job", "ended"),
        ("Merge", "runs"),
        ("Complete job", "waits"),
    ]
    assert runs.steps(edge, 3) == ()
    assert runs.steps(edge, 1)[2] == Step(job=1, name="Complete job", state="ended", failed=True)


def test_errors_are_those_of_the_job(stub: Stub) -> None:
    stub.state.runs[0].errors = [("A", "b"), ("", "c")]
    found = runs.problems(edge_of(stub.url), 1)
    assert found == (Problem(title="A", message="b"), Problem(title="", message="c"))


def test_what_has_ended_is_not_cancelled(stub: Stub) -> None:
    stopped: list[int] = []
    stub.state.cancelled = lambda run: stopped.append(run.id)
    edge = edge_of(stub.url)
    for number in (1, 2):
        runs.cancel(edge, number)
    assert stopped == [2]


def test_a_cancel_whose_answer_is_lost_is_no_refusal(stub: Stub) -> None:
    def stop(run: Workflow) -> None:
        run.status, run.conclusion = "completed", "cancelled"

    stub.state.cancelled = stop
    stub.faults.add(Fault(on="POST .*/cancel", does=Lost()))
    runs.cancel(edge_of(stub.url), 2)
    assert runs.seen(edge_of(stub.url), 2).conclusion == "cancelled"


def test_a_token_that_may_not_cancel_is_told(stub: Stub) -> None:
    stub.state.denied = {"/cancel"}
    with pytest.raises(Refused) as caught:
        runs.cancel(edge_of(stub.url), 2)
    assert "permissions: actions: write" in caught.value.hint


def test_the_token_goes_to_no_other_host(stub: Stub) -> None:
    edge = edge_of(stub.url)
    stub.state.url = "http://127.0.0.1:9"  # as if another had answered
    with pytest.raises(Refused, match="another host"):
        runs.steps(edge, 2)
