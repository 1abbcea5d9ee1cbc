"""Merges in Jobs of the Hub, each with a machine that it fits; one that goes on is found again by its labels."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Literal

from adapter_merge.bot.dispatch import Where, required
from adapter_merge.bot.dispatch.flavors import FLAVORS, chosen, seconds
from adapter_merge.bot.dispatch.heard import Heard, failed
from adapter_merge.bot.job import MERGES
from adapter_merge.bot.order import Ears, Ended, Order
from adapter_merge.bot.tokens import READ, of_the_hub
from adapter_merge.bot.words import passed_on
from adapter_merge.errors import AdapterMergeError, RequestError
from adapter_merge.figures import nbytes
from adapter_merge.hub import jobs as hub
from adapter_merge.hub.account import account
from adapter_merge.hub.client import Client, connect

COMMAND = ("adapter-merge", "bot", "job", "--events")
_LABEL = "adapter-merge"


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What a Job runs in.

    Attributes:
        image: where the command is found.
        secrets: tokens that it gets, as secrets.
        environment: what it gets besides, for everybody to see.
        flavor, timeout, namespace: see `Where`.
    """

    image: str
    secrets: Mapping[str, str] = field(repr=False)
    environment: Mapping[str, str] = field(default_factory=dict)
    flavor: str | None = None
    timeout: float | None = None
    namespace: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How a Job is followed; seconds.

    Attributes:
        look: between two looks; each reads the log anew.
        end: for a cancelled Job to end.
        more: that a Job may go on past its time limit, which the Hub itself keeps, before nobody waits any longer.
    """

    look: float = 10
    end: float = 60
    more: float = 3600


class Jobs:
    """Implements `Dispatch`.

    Args:
        client: the one that publishes runs Jobs, too.
        machine: see there.
        pace: how they are followed.
        command: what they run.
    """

    name: Literal["local", "github", "jobs"] = "jobs"

    def __init__(
        self,
        client: Client,
        machine: Machine,
        *,
        pace: Pace | None = None,
        command: tuple[str, ...] = COMMAND,
    ) -> None:
        self._client, self._machine = client, machine
        self._pace, self._command = pace or Pace(), command

    def carry_out(self, order: Order, ears: Ears) -> Ended:
        """See `Dispatch`."""
        try:
            job = self._begun(order)
        except AdapterMergeError as e:
            return failed(e)
        ears.url(job.url)
        try:
            return self._followed(job, order, ears)
        except AdapterMergeError as e:
            return failed(e, url=job.url)

    def clean(self) -> None:
        """Nothing is left anywhere: a Job that goes on is found again by its labels."""

    def _begun(self, order: Order) -> hub.Job:
        """The Job: one of this target that goes on, or a new one; two would publish to one target at once."""
        labels = {
            _LABEL: "merge",
            f"{_LABEL}-target": sha256(order.target.encode()).hexdigest()[:32],
        }
        # The client's own default is whose token the environment has, on whichever Hub that names.
        payer = self._machine.namespace or account(self._client, write=True).name
        found = hub.found(self._client, labels, namespace=payer)
        going = next((job for job in found if not job.ended), None)
        return going or hub.start(self._client, self._wish(order, labels, payer))

    def _wish(self, order: Order, labels: Mapping[str, str], payer: str) -> hub.Order:
        return hub.Order(
            image=self._machine.image,
            command=self._command,
            environment={**self._machine.environment, MERGES: order.document},
            secrets=self._machine.secrets,
            flavor=self._machine.flavor or _flavor(order),
            timeout=f"{self._seconds(order)}s",
            labels=labels,
            namespace=payer,
        )

    def _seconds(self, order: Order) -> int:
        return round(self._machine.timeout or seconds(order.needs))

    def _followed(self, job: hub.Job, order: Order, ears: Ears) -> Ended:
        heard = Heard(ears, self._machine.secrets.values())
        end = time.monotonic() + self._seconds(order) + self._pace.more
        told = 0
        while True:
            job = hub.seen(self._client, job)
            told = self._tell(job, told, heard)
            if job.ended:
                return _ended(job, heard)
            if ears.stop.is_set():
                return self._stopped(job, told, heard)
            if time.monotonic() > end:
                hub.cancel(self._client, job)
                reason = "the Job went on past its time limit, and was cancelled. Look at its page."
                return Ended(outcome="failed", reason=reason, url=job.url)
            ears.stop.wait(self._pace.look)

    def _tell(self, job: hub.Job, told: int, heard: Heard) -> int:
        """Tell the lines that are new; the result is how many there are."""
        lines = hub.log(self._client, job) if job.stage != "waits" else ()
        for line in lines[told:]:
            heard.take(line)
        return max(told, len(lines))

    def _stopped(self, job: hub.Job, told: int, heard: Heard) -> Ended:
        hub.cancel(self._client, job)
        end = time.monotonic() + self._pace.end
        while not job.ended and time.monotonic() < end:
            time.sleep(min(self._pace.look, 1))
            job = hub.seen(self._client, job)
        self._tell(job, told, heard)
        if heard.is_good:
            return heard.ended(None, url=job.url)
        return Ended(outcome="stopped", reason="its Job was cancelled", url=job.url)


def _ended(job: hub.Job, heard: Heard) -> Ended:
    """By its report, where there is one; a Job that was ended from outside has none, or one that says so."""
    said = f" ({job.message})" if job.message else ""
    ended = heard.ended(None, url=job.url, silent=f"the Job {job.stage}{said}")
    if ended.outcome == "stopped" or (job.stage == "cancelled" and not heard.is_good):
        reason = f"its Job was cancelled on the Hub: {job.url}. Run `adapter-merge bot retry` where that wasn't meant."
        return replace(ended, outcome="failed", reason=reason)
    return ended


def _flavor(order: Order) -> str:
    """The machine that a merge fits.

    Raises:
        RequestError: there is none.
    """
    found = chosen(order.needs)
    if found is None:
        most = max((f for f in FLAVORS if not f.gpu), key=lambda f: f.memory)
        memory, disk = order.needs.memory_bytes or 0, order.needs.disk_bytes or 0
        raise RequestError(
            f"`{order.target}` takes {nbytes(memory)} of memory and {nbytes(disk)} of disk, more than `{most.name}` has to spare",
            hint="Name a machine that is large enough: `--flavor h200x4`.",
        )
    return found


def jobs(where: Where, environ: Mapping[str, str]) -> Jobs:
    """The one that was asked for.

    Raises:
        RequestError: there is no image, or no token that a Job could get.
    """
    image = required(
        where.image,
        "`--dispatch jobs` needs an image",
        "Give `--image`; the guide has the project's own.",
    )
    secrets = of_the_hub(environ)
    required(
        secrets.get(READ),
        "`--dispatch jobs` needs a token that its Jobs get",
        "Set `HF_TOKEN`, or run `hf auth login`.",
    )
    machine = Machine(
        image=image,
        secrets=secrets,
        environment=passed_on(environ),
        flavor=where.flavor,
        timeout=where.timeout,
        namespace=where.namespace,
    )
    return Jobs(connect(), machine)
