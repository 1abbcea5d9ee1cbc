"""Jobs of the Hub: one started, found again, looked at, read and cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from huggingface_hub import JobInfo

from adapter_merge.errors import RequestError
from adapter_merge.hub.client import Client
from adapter_merge.hub.translate import translated

_WAIT = 2.0  # seconds between two looks
_STAGES: Mapping[str, Literal["waits", "runs", "succeeded", "failed", "cancelled"]] = {
    "SCHEDULING": "waits",
    "RUNNING": "runs",
    "COMPLETED": "succeeded",
    "CANCELED": "cancelled",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What a Job shall run.

    Attributes:
        image: of a registry, or of a Space as `hf.co/spaces/org/name`.
        secrets: encrypted by the Hub, and never shown again.
        flavor: the machine, in the Hub's words; empty for its default.
        timeout: such as `30m`; empty for the Hub's default, half an hour.
        labels: it is found again by them.
        namespace: who pays; None is the token's user.
    """

    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    flavor: str = ""
    timeout: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A Job as the Hub has it.

    Attributes:
        owner: whose it is.
        url: its page.
        message: what the Hub says of its end; empty where it says nothing.
    """

    id: str
    owner: str
    url: str
    stage: Literal["waits", "runs", "succeeded", "failed", "cancelled"]
    message: str

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.stage not in {"waits", "runs"}


def start(client: Client, order: Order) -> Job:
    """Start a Job. It isn't tried again: one whose answer was lost runs, and is found by its labels.

    Raises:
        Gated, Refused: the token may not run Jobs.
        HubUnavailable: the Hub doesn't answer; the Job may run.
    """
    with translated(client.asked(None, write=True)):
        made = client.writer.run_job(
            image=order.image,
            command=list(order.command),
            env=dict(order.environment) or None,
            secrets=dict(order.secrets) or None,
            flavor=order.flavor or None,
            timeout=order.timeout or None,
            labels=dict(order.labels) or None,
            namespace=order.namespace,
        )
    return _job(made)


def found(client: Client, labels: Mapping[str, str], *, namespace: str) -> tuple[Job, ...]:
    """The Jobs of a namespace with these labels, newest first.

    The client's own default for that would be whose token the environment has, on whichever Hub that names.

    Raises:
        HubUnavailable: the Hub doesn't answer.
    """

    def act() -> tuple[Job, ...]:
        with translated(client.asked(None, write=True)):
            return tuple(
                map(_job, client.writer.list_jobs(labels=dict(labels), namespace=namespace))
            )

    return client.patience.persist(act)


def seen(client: Client, job: Job) -> Job:
    """The same Job as it is now.

    Raises:
        HubUnavailable: the Hub doesn't answer.
    """

    def act() -> Job:
        with translated(client.asked(None, write=True)):
            return _job(client.writer.inspect_job(job_id=job.id, namespace=job.owner))

    return client.patience.persist(act)


def log(client: Client, job: Job) -> tuple[str, ...]:
    """The lines that a Job has written so far.

    Raises:
        HubUnavailable: the Hub doesn't answer.
    """

    def act() -> tuple[str, ...]:
        with translated(client.asked(None, write=True)):
            return tuple(client.writer.fetch_job_logs(job_id=job.id, namespace=job.owner))

    return client.patience.persist(act)


def cancel(client: Client, job: Job) -> None:
    """End a Job early.

    Raises:
        HubUnavailable: the Hub doesn't answer.
    """

    def act() -> None:
        with translated(client.asked(None, write=True)):
            client.writer.cancel_job(job_id=job.id, namespace=job.owner)

    client.patience.persist(act)


def waited(client: Client, job: Job, *, most: float) -> Job:
    """A Job once it has ended.

    Raises:
        RequestError: it failed, or still runs after `most` seconds.
        HubUnavailable: the Hub doesn't answer.
    """
    left = most
    while not job.ended:
        if left <= 0:
            raise RequestError(
                f"the Job {job.url} still runs after {most:.0f} s", hint="Look at its page."
            )
        client.patience.sleep(_WAIT)
        left -= _WAIT
        job = seen(client, job)
    if job.stage != "succeeded":
        said = f": {job.message}" if job.message else ""
        raise RequestError(
            f"the Job {job.url} {job.stage}{said}", hint="Its page has its log; mend that first."
        )
    return job


def _job(told: JobInfo) -> Job:
    return Job(
        id=told.id,
        owner=told.owner.name,
        url=told.url,
        stage=_STAGES.get(told.status.stage, "failed"),
        message=told.status.message or "",
    )
