"""The run of a workflow that this process is a step of, as the runner's environment tells it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapter_merge.errors import RequestError
from adapter_merge.receipt import RunRecord

# GitHub sends no more than 25 MB; what is read here lies at the top.
_LARGEST_EVENT = 26_000_000
API = "https://api.github.com"
_SECRETLESS_BOT = "dependabot[bot]"


class _Part(BaseModel):
    """A part of an event: what isn't asked for is left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Repository(_Part):
    full_name: str = Field("", max_length=300)
    private: bool = False


class _Head(_Part):
    sha: str = Field("", pattern=r"^([0-9a-f]{40,64})?$")
    repo: _Repository | None = None


class PullRequest(_Part):
    """The pull request that started a run; `head.repo` is None where its fork is gone."""

    number: int = Field(ge=1)
    head: _Head = _Head()


class Event(_Part):
    """What started a run, as far as it matters here."""

    action: str | None = Field(None, max_length=100)
    repository: _Repository | None = None
    pull_request: PullRequest | None = None
    client_payload: dict[str, Any] | None = None


class Context(_Part):
    """A run of a workflow.

    Attributes:
        event_name: such as `push`, `schedule` or `pull_request`.
        repository: where the workflow is, `owner/name`.
        sha: the commit that started it; of a pull request its merge with the target, see `head`.
        api_url, server_url: of this GitHub, without a slash at the end.
        temp: a folder that is emptied after the job; None outside of one.
        event: what started it.
    """

    event_name: str = ""
    repository: str = ""
    sha: str = ""
    ref: str = ""
    actor: str = ""
    workflow: str = ""
    run_id: int = 0
    run_attempt: int = 1
    api_url: str = API
    server_url: str = "https://github.com"
    temp: Path | None = None
    event: Event = Event()

    @property
    def url(self) -> str:
        """Where people see this run."""
        return f"{self.server_url}/{self.repository}/actions/runs/{self.run_id}"

    @property
    def head(self) -> str:
        """The commit that people look at: of a pull request its own newest one."""
        pull = self.event.pull_request
        return pull.head.sha if pull is not None and pull.head.sha else self.sha

    @property
    def fork(self) -> str | None:
        """The fork that a pull request comes from; None for everything else."""
        pull = self.event.pull_request
        if pull is None:
            return None
        name = pull.head.repo.full_name if pull.head.repo is not None else "a fork that is gone"
        return None if name.lower() == self.repository.lower() else name

    @property
    def is_private(self) -> bool:
        """Whether strangers may not know of the repository; so where nobody says."""
        return self.event.repository is None or self.event.repository.private

    def why_no_secrets(self) -> str:
        """Why GitHub gave this run no secrets; empty where it would have."""
        if self.fork is not None and self.event_name != "pull_request_target":
            return f"`{self.event_name}` comes from `{self.fork}`, and GitHub gives no secrets to runs of forks"
        if self.actor == _SECRETLESS_BOT:
            return f"`{self.actor}` started this run, and GitHub gives it none of the secrets of Actions"
        return ""


def read_context(environment: Mapping[str, str]) -> Context:
    """The run that the runner's variables (`GITHUB_*`, `RUNNER_TEMP`) describe.

    Raises:
        RequestError: one of them, or the event's file, isn't what GitHub writes.
    """
    names = (name for name in Context.model_fields if name not in {"temp", "event"})
    found: dict[str, Any] = {n: environment.get(f"GITHUB_{n.upper()}", "") for n in names}
    found |= {"temp": environment.get("RUNNER_TEMP"), "event": _event(environment)}
    try:
        return Context.model_validate({n: v for n, v in found.items() if v not in ("", None)})
    except ValidationError as e:
        where = ".".join(map(str, e.errors(include_url=False)[0]["loc"]))
        raise RequestError(
            f"the runner's `{where}` isn't what GitHub writes",
            hint="The action runs as a step of a workflow; elsewhere use the command `adapter-merge`.",
        ) from e


def run_record(environment: Mapping[str, str]) -> RunRecord | None:
    """What a receipt says of the run that makes it; None outside of GitHub's runners.

    Receipts are published: of a private repository only numbers and the commit are told.
    """
    if environment.get("GITHUB_ACTIONS") != "true":
        return None
    try:
        run = read_context(environment)
    except RequestError:
        return None  # something else that calls itself so
    known = {"run_id": run.run_id, "attempt": run.run_attempt, "commit": run.sha}
    told = {"repository": run.repository, "workflow": run.workflow, "url": run.url}
    return RunRecord.model_validate({**known, **({} if run.is_private else told)})


def _event(environment: Mapping[str, str]) -> Mapping[str, Any] | None:
    path = environment.get("GITHUB_EVENT_PATH")
    if not path or not Path(path).is_file():
        return None
    try:
        with Path(path).open("rb") as file:
            value = json.loads(file.read(_LARGEST_EVENT))
    except (OSError, ValueError, RecursionError) as e:
        raise RequestError(
            f"the event's file `{path}` can't be read as JSON",
            hint="Run the workflow again; the runner writes that file.",
        ) from e
    return value if isinstance(value, dict) else None
