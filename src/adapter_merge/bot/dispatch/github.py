"""Merges in a workflow on GitHub: an event starts it, and its run is found by its title and followed.

The workflow has its own merges.yaml, and needs this line, as GitHub doesn't say which run an event started:
`run-name: Merge ${{ github.event.client_payload.adapter }} @ ${{ github.event.client_payload.revision }}`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from adapter_merge.bot.dispatch import Where, required
from adapter_merge.bot.dispatch.heard import Heard, failed
from adapter_merge.bot.order import Ears, Ended, Order, Progress
from adapter_merge.errors import AdapterMergeError, HubUnavailable, RequestError
from adapter_merge.github.context import API
from adapter_merge.github.dispatch import AdapterPushed

if TYPE_CHECKING:  # PyGithub takes a while
    from adapter_merge.github.edge import Edge
    from adapter_merge.github.runs import Problem, Run, Step

_OURS = re.compile(r"\w+, exit code (\d+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How a run is followed; seconds.

    Attributes:
        look: between two looks, as GitHub counts requests.
        begin: until a run has to be there.
        most: until it has to be over; past that nobody waits any more, and it goes on.
    """

    look: float = 15
    begin: float = 300
    most: float = 12 * 3600


class Github:
    """Implements `Dispatch`. Of a run that went well GitHub says no more: its outcome is `merged`, whatever it found."""

    name: Literal["local", "github", "jobs"] = "github"

    def __init__(self, edge: Edge, *, pace: Pace | None = None) -> None:
        self._edge = edge
        self._pace = pace or Pace()

    def carry_out(self, order: Order, ears: Ears) -> Ended:
        """See `Dispatch`."""
        try:
            run = self._begun(_pushed(order), ears)
            if run is None:
                return Ended(outcome="stopped", reason="it was stopped before its run was there")
        except AdapterMergeError as e:
            return failed(e)
        ears.url(run.url)
        try:
            return self._followed(run, ears)
        except AdapterMergeError as e:
            return failed(e, url=run.url)

    def clean(self) -> None:
        """Nothing is left anywhere: a run that goes on is found again by its title."""

    def _begun(self, pushed: AdapterPushed, ears: Ears) -> Run | None:
        """The run: one that goes on for the same push, or one that an event starts; None where it is stopped."""
        from adapter_merge.github import runs
        from adapter_merge.github.dispatch import dispatch

        known = runs.by_event(self._edge)
        going = next((r for r in known if not r.ended and _is_of(r, pushed)), None)
        if going is not None:
            return going
        dispatch(self._edge, pushed)
        before = {run.id for run in known}
        end = time.monotonic() + self._pace.begin
        while time.monotonic() < end:
            if ears.stop.wait(self._pace.look):
                return None
            found = (r for r in runs.by_event(self._edge) if r.id not in before)
            if (run := next((r for r in found if _is_of(r, pushed)), None)) is not None:
                return run
        raise RequestError(
            f"`{self._edge.name}` took the event, and no run of `{pushed.adapter}` began in {self._pace.begin:g} s",
            hint="Its default branch needs the guide's workflow, with `repository_dispatch` and the `run-name`.",
        )

    def _followed(self, run: Run, ears: Ears) -> Ended:
        from adapter_merge.github import runs

        heard, told = Heard(ears), 0
        end = time.monotonic() + self._pace.most
        while True:
            steps = runs.steps(self._edge, run.id)
            told = _tell(steps, told, heard, ears)
            run = runs.seen(self._edge, run.id)
            if run.ended:
                steps = runs.steps(self._edge, run.id)
                _tell(steps, told, heard, ears)
                return self._ended(run, steps)
            if ears.stop.is_set():
                runs.cancel(self._edge, run.id)
                return Ended(outcome="stopped", reason="its run was cancelled", url=run.url)
            if time.monotonic() > end:
                return Ended(outcome="failed", reason=_late(self._pace.most, run), url=run.url)
            ears.stop.wait(self._pace.look)

    def _ended(self, run: Run, steps: tuple[Step, ...]) -> Ended:
        from adapter_merge.github import runs

        if run.conclusion == "success":
            return Ended(outcome="merged", reason="its run went well", code=0, url=run.url)
        if run.conclusion == "cancelled":
            return Ended(
                outcome="failed",
                reason=f"its run was cancelled on GitHub: {run.url}. Run it again there.",
                url=run.url,
            )
        jobs = dict.fromkeys(step.job for step in steps if step.failed)
        found = [p for job in jobs for p in runs.problems(self._edge, job)]
        return _failure(run, found)


def _failure(run: Run, found: list[Problem]) -> Ended:
    """By what our step shows on the run's page, where it got so far; see `github.follow`."""
    for problem in found:
        ours = _OURS.fullmatch(problem.title)
        if ours is not None:
            code = int(ours[1])
            return Ended(
                outcome="failed",
                reason=". ".join(problem.message.splitlines()),
                code=code,
                again=code == HubUnavailable.exit_code,
                url=run.url,
            )
    said = f" ({found[0].message})" if found else ""
    return Ended(
        outcome="failed",
        reason=f"its run ended with `{run.conclusion}`{said}. Look at {run.url}",
        url=run.url,
    )


def _tell(steps: tuple[Step, ...], told: int, heard: Heard, ears: Ears) -> int:
    """Tell of the steps that have ended since; the result is how many have."""
    ended = [step for step in steps if step.state == "ended"]
    for step in ended[told:]:
        heard.take(f"{step.name}: {'failed' if step.failed else 'ended'}")
    if steps:
        ears.progress(Progress(stage="steps", done=len(ended), total=len(steps)))
    return len(ended)


def _late(seconds: float, run: Run) -> str:
    return f"its run goes on after {seconds / 3600:g} h, and nobody waits any longer: {run.url}"


def _pushed(order: Order) -> AdapterPushed:
    """The event of an order: the workflow finds all entries that read the adapter.

    Raises:
        RequestError: no adapter of it is on a Hub.
    """
    for repo, commit in order.adapters.items():
        return AdapterPushed(adapter=repo, revision=commit if len(commit) == 40 else None)
    raise RequestError(
        f"`{order.target}` is made of no adapter on a Hub, so no workflow can read it",
        hint="Have it merged here: `--dispatch local`.",
    )


def _is_of(run: Run, pushed: AdapterPushed) -> bool:
    words = re.split(r"[\s@]+", run.title)
    commit = pushed.revision
    return pushed.adapter in words and (
        commit is None or any(len(word) >= 7 and commit.startswith(word) for word in words)
    )


def github(where: Where, environ: Mapping[str, str]) -> Github:
    """The one that was asked for.

    Raises:
        RequestError: there is no repository or no token.
    """
    repository = required(
        where.repository,
        "`--dispatch github` needs the workflow's repository",
        "Name it: `--github owner/name`.",
    )
    token = required(
        environ.get("GITHUB_TOKEN"),
        "`--dispatch github` needs a token for GitHub",
        f"Put one into `GITHUB_TOKEN` that may write contents and actions of `{repository}`.",
    )
    from adapter_merge.github.edge import connect

    api = environ.get("GITHUB_API_URL") or API
    return Github(connect(repository, api=api, token=token))
