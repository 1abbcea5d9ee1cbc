"""Jobs of a namespace: run, listed, looked at, cancelled, and what they wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping

from adapter_merge.localhub.jobs import DEFAULT_SECONDS, Job, Order
from adapter_merge.localhub.repos import iso
from adapter_merge.localhub.routes.route import route
from adapter_merge.localhub.state import State
from adapter_merge.localhub.wire import Answer, Ask, Body, Problem, reply


class _Run(Body):
    command: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str | int | float | bool] = {}
    secrets: Mapping[str, str] = {}
    flavor: str = "cpu-basic"
    labels: Mapping[str, str] = {}
    timeoutSeconds: float = DEFAULT_SECONDS  # noqa: N815 - the Hub's own spelling
    dockerImage: str | None = None  # noqa: N815
    spaceId: str | None = None  # noqa: N815


def run(state: State, ask: Ask) -> Answer:
    """Run a command."""
    (namespace,) = ask.parts
    _check(state, ask, namespace)
    wish = ask.json(_Run)
    order = Order(
        namespace=namespace,
        image=wish.dockerImage,
        space=wish.spaceId,
        command=wish.command,
        arguments=wish.arguments,
        environment={name: str(value) for name, value in wish.environment.items()},
        secrets=tuple(wish.secrets),
        flavor=wish.flavor,
        labels=wish.labels,
        seconds=wish.timeoutSeconds,
    )
    return reply(_said(state, state.run(order, wish.secrets)))


def _check(state: State, ask: Ask, namespace: str) -> None:
    user = ask.user()
    people = state.people.value
    if user != namespace and namespace not in people.organisations_of(user):
        raise Problem(403, f"`{user}` may not run jobs in the namespace `{namespace}`")
    if ask.method != "GET" and ask.token is not None and not ask.token.covers(namespace, "write"):
        raise Problem(403, "the token may not run jobs")


def listed(state: State, ask: Ask) -> Answer:
    """The jobs of a namespace, the newest first; by stage or label where they are asked for so."""
    (namespace,) = ask.parts
    _check(state, ask, namespace)
    stages, labels = ask.query.get("stage", []), ask.query.get("label", [])
    found = [
        _said(state, job)
        for job in reversed(state.jobs.all())
        if job.order.namespace == namespace
        and (not stages or job.stage in stages)
        and set(labels) <= {f"{name}={value}" for name, value in job.order.labels.items()}
    ]
    return reply(found)


def details(state: State, ask: Ask) -> Answer:
    """One job."""
    return reply(_said(state, _found(state, ask)))


def cancel(state: State, ask: Ask) -> Answer:
    """Stop a job."""
    job = _found(state, ask)
    state.jobs.cancel(job.id)
    return reply(_said(state, _found(state, ask)))


def logs(state: State, ask: Ask) -> Answer:
    """The lines that a job wrote so far, as server-sent events; who wants more asks again."""
    job = _found(state, ask)
    lines = state.jobs.log(job.id)
    tail = ask.only("tail")
    when = iso(job.started or job.created)
    events = [json.dumps({"data": line, "timestamp": when}) for line in lines]
    shown = events[-int(tail) :] if tail else events
    body = "".join(f"data: {event}\n\n" for event in shown).encode()
    return Answer(headers={"Content-Type": "text/event-stream"}, body=body)


def _found(state: State, ask: Ask) -> Job:
    namespace, name = ask.parts
    _check(state, ask, namespace)
    job = state.jobs.get(name)
    if job is None or job.order.namespace != namespace:
        raise Problem(404, "Job not found")
    return job


def spec(order: Order) -> Mapping[str, object]:
    """An order as the API tells it; of secrets only the names."""
    return {
        "dockerImage": order.image,
        "spaceId": order.space,
        "command": list(order.command),
        "arguments": list(order.arguments),
        "environment": dict(order.environment),
        "secrets": dict.fromkeys(order.secrets),
        "flavor": order.flavor,
        "labels": dict(order.labels),
        "timeout": order.seconds,
    }


def _said(state: State, job: Job) -> Mapping[str, object]:
    owner = job.order.namespace
    people = state.people.value
    type_ = "org" if owner in people.organisations else "user"
    return {
        "id": job.id,
        "createdAt": iso(job.created),
        "startedAt": None if job.started is None else iso(job.started),
        "finishedAt": None if job.finished is None else iso(job.finished),
        **spec(job.order),
        "status": {"stage": job.stage, "message": job.message},
        "owner": {"id": people.identity(owner), "name": owner, "type": type_},
        "initiator": {"type": type_, "id": people.identity(owner), "name": owner},
    }


ROUTES = (
    route("POST /api/jobs/{namespace}", run),
    route("GET /api/jobs/{namespace}", listed),
    route("GET /api/jobs/{namespace}/{id}", details),
    route("POST /api/jobs/{namespace}/{id}/cancel", cancel),
    route("GET /api/jobs/{namespace}/{id}/logs", logs),
)
