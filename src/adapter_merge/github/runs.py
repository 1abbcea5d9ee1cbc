"""Runs of workflows that an event started: found by their title, looked at, and cancelled.

Source: GitHub's docs, "REST API endpoints for workflow runs", "workflow jobs" and "check runs".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from github.CheckRunAnnotation import CheckRunAnnotation
from github.WorkflowRun import WorkflowRun

from adapter_merge.errors import Refused
from adapter_merge.github.edge import Edge

_NEEDS = "actions: write"
_ENDED = "completed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run as it stands.

    Attributes:
        title: what the workflow's `run-name` makes of its event.
        url: where people see it.
        conclusion: such as `success`, `failure` or `cancelled`; None while it goes on.
    """

    id: int
    title: str
    url: str
    conclusion: str | None

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.conclusion is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of a run's jobs; `job` is the job's number, and the number of its check run."""

    job: int
    name: str
    state: Literal["waits", "runs", "ended"]
    failed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """An error that a job shows on its page."""

    title: str
    message: str


def by_event(edge: Edge) -> tuple[Run, ...]:
    """The newest runs that a `repository_dispatch` started, newest first.

    Raises:
        GithubUnavailable, Refused: see `Edge.asked`.
    """

    def ask() -> tuple[Run, ...]:
        found = edge.repo.get_workflow_runs(event="repository_dispatch").get_page(0)
        return tuple(map(_run, found))

    return edge.asked(ask, f"the runs of `{edge.name}`", "actions: read")


def seen(edge: Edge, number: int) -> Run:
    """A run as it is now.

    Raises:
        GithubUnavailable, Refused: see `Edge.asked`.
    """
    return edge.asked(
        lambda: _run(edge.repo.get_workflow_run(number)), f"run {number}", "actions: read"
    )


def cancel(edge: Edge, number: int) -> None:
    """Have a run end early; one that has ended stays as it is.

    Raises:
        GithubUnavailable, Refused: see `Edge.asked`.
    """
    if seen(edge, number).ended:
        return
    # PyGithub's own call gives False, whatever went wrong.
    post = edge.repo.requester.requestJsonAndCheck
    where = f"{edge.repo.url}/actions/runs/{number}/cancel"
    try:
        edge.asked(lambda: post("POST", where), f"run {number}", _NEEDS)
    except Refused:  # so is one that has ended since, or whose first answer was lost
        if not seen(edge, number).ended:
            raise


def steps(edge: Edge, number: int) -> tuple[Step, ...]:
    """The steps of a run's jobs, as far as they are known.

    Raises:
        GithubUnavailable, Refused: see `Edge.asked`.
    """

    def ask() -> tuple[Step, ...]:
        run = edge.repo.get_workflow_run(number)
        edge.own(run.jobs_url)
        return tuple(
            Step(
                job=job.id,
                name=step.name,
                state=_state(step.status),
                failed=step.conclusion == "failure",
            )
            for job in run.jobs().get_page(0)
            for step in job.steps or ()
        )

    return edge.asked(ask, f"the jobs of run {number}", "actions: read")


def problems(edge: Edge, job: int) -> tuple[Problem, ...]:
    """The errors that a job shows.

    Raises:
        GithubUnavailable, Refused: see `Edge.asked`.
    """

    def ask() -> tuple[CheckRunAnnotation, ...]:
        return tuple(edge.repo.get_check_run(job).get_annotations().get_page(0))

    found = edge.asked(ask, f"the annotations of job {job}", "checks: read")
    return tuple(
        Problem(title=a.title or "", message=a.message or "")
        for a in found
        if a.annotation_level == "failure"
    )


def _run(found: WorkflowRun) -> Run:
    ended = found.status == _ENDED
    return Run(
        id=found.id,
        title=found.display_title or "",
        url=found.html_url,
        conclusion=(found.conclusion or "failure") if ended else None,
    )


def _state(status: str) -> Literal["waits", "runs", "ended"]:
    if status == _ENDED:
        return "ended"
    return "runs" if status == "in_progress" else "waits"
