"""Webhooks of the caller: made, listed, changed, switched off, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from adapter_merge.localhub.repos import identity
from adapter_merge.localhub.routes.jobs import spec
from adapter_merge.localhub.routes.route import route
from adapter_merge.localhub.state import State
from adapter_merge.localhub.webhooks import Watched, Webhook
from adapter_merge.localhub.wire import Answer, Ask, Body, Problem, reply


class _Create(Body):
    watched: tuple[Watched, ...]
    domains: tuple[str, ...] = ("repo", "discussion")
    url: str | None = None
    jobSourceId: str | None = None  # noqa: N815 - the Hub's own spelling
    secret: str | None = None
    secrets: Mapping[str, str] | None = None


class _Change(Body):
    watched: tuple[Watched, ...] | None = None
    domains: tuple[str, ...] | None = None
    url: str | None = None
    jobSourceId: str | None = None  # noqa: N815
    secret: str | None = None
    secrets: Mapping[str, str] | None = None


def listed(state: State, ask: Ask) -> Answer:
    """All webhooks of the caller."""
    user = ask.user()
    return reply([_said(state, hook) for hook in state.hooks.value.values() if hook.user == user])


def create(state: State, ask: Ask) -> Answer:
    """Make a webhook, which tells an address or runs a job that has run before."""
    user, wish = ask.user(), ask.json(_Create)
    _require_job(state, wish.jobSourceId)
    if (wish.url is None) == (wish.jobSourceId is None):
        raise Problem(400, "A webhook has an address or a job")
    hook = Webhook(
        id=identity(),
        user=user,
        watched=wish.watched,
        domains=wish.domains,
        url=wish.url,
        job=wish.jobSourceId,
        secret=wish.secret,
        secrets=wish.secrets,
    )
    return _keep(state, hook)


def details(state: State, ask: Ask) -> Answer:
    """One webhook."""
    return reply({"webhook": _said(state, _found(state, ask))})


def update(state: State, ask: Ask) -> Answer:
    """Change a webhook."""
    hook, wish = _found(state, ask), ask.json(_Change)
    _require_job(state, wish.jobSourceId)
    changed = replace(
        hook,
        watched=hook.watched if wish.watched is None else wish.watched,
        domains=hook.domains if wish.domains is None else wish.domains,
        url=hook.url if wish.url is None else wish.url,
        job=hook.job if wish.jobSourceId is None else wish.jobSourceId,
        secret=hook.secret if wish.secret is None else wish.secret,
        secrets=hook.secrets if wish.secrets is None else wish.secrets,
    )
    return _keep(state, changed)


def _require_job(state: State, name: str | None) -> None:
    if name is not None and state.jobs.get(name) is None:
        raise Problem(404, "Job not found")


def enable(state: State, ask: Ask) -> Answer:
    """Tell it again."""
    return _keep(state, replace(_found(state, ask), disabled=False))


def disable(state: State, ask: Ask) -> Answer:
    """Tell it nothing."""
    return _keep(state, replace(_found(state, ask), disabled=True))


def delete(state: State, ask: Ask) -> Answer:
    """Delete a webhook."""
    gone = _found(state, ask).id
    state.hooks.put({name: hook for name, hook in state.hooks.value.items() if name != gone})
    return reply({})


def _found(state: State, ask: Ask) -> Webhook:
    hook = state.hooks.value.get(ask.parts[0])
    if hook is None or hook.user != ask.user():
        raise Problem(404, "Webhook not found")
    return hook


def _keep(state: State, hook: Webhook) -> Answer:
    state.hooks.put({**state.hooks.value, hook.id: hook})
    return reply({"webhook": _said(state, hook)})


def _said(state: State, hook: Webhook) -> Mapping[str, object]:
    said: dict[str, object] = {
        "id": hook.id,
        "url": hook.url,
        "watched": [{"type": w.type, "name": w.name} for w in hook.watched],
        "domains": list(hook.domains),
        "secret": hook.secret,
        "disabled": hook.disabled,
    }
    source = state.jobs.get(hook.job) if hook.job is not None else None
    if source is not None:
        said["job"] = spec(replace(source.order, secrets=tuple(hook.secrets or {})))
    return said


ROUTES = (
    route("GET /api/settings/webhooks", listed),
    route("POST /api/settings/webhooks", create),
    route("GET /api/settings/webhooks/{id}", details),
    route("POST /api/settings/webhooks/{id}", update),
    route("DELETE /api/settings/webhooks/{id}", delete),
    route("POST /api/settings/webhooks/{id}/enable", enable),
    route("POST /api/settings/webhooks/{id}/disable", disable),
)
