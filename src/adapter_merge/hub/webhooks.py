"""Webhooks of the token's user: which there are, and one of them made, changed, switched or taken away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from huggingface_hub import WebhookInfo, WebhookWatchedItem

from adapter_merge.hub.client import Client
from adapter_merge.hub.translate import translated

REPOSITORIES = "repo"  # the domain of pushes, in the Hub's own word


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Item:
    """What a webhook watches: a model, or all of a user or an organisation."""

    type: Literal["model", "user", "org"]
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Hook:
    """A webhook as it stands.

    Attributes:
        url: the address that is told; None where a Job is run.
        command: of that Job; empty where an address is told.
        watched: what it is told of, in order; whatever else it watches isn't ours.
        domains: which kinds of events.
        secret: None where the Hub doesn't show it.
    """

    id: str
    url: str | None
    command: tuple[str, ...]
    watched: tuple[Item, ...]
    domains: tuple[str, ...]
    secret: str | None
    enabled: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What a webhook shall be.

    Attributes:
        url, job: an address, or the id of a Job that has run; one of them.
        secrets: what the Job gets: those of its source aren't copied.
    """

    watched: tuple[Item, ...]
    url: str | None = None
    job: str | None = None
    secret: str | None = None
    secrets: Mapping[str, str] | None = None


def hooks(client: Client) -> tuple[Hook, ...]:
    """All webhooks of the token's user.

    Raises:
        Gated, Refused: the token may not see them.
        HubUnavailable: the Hub doesn't answer.
    """

    def act() -> tuple[Hook, ...]:
        with translated(client.asked(None, write=True)):
            return tuple(_hook(found) for found in client.writer.list_webhooks())

    return client.patience.persist(act)


def make(client: Client, wish: Wish) -> Hook:
    """Make a webhook. It isn't tried again: whoever asks looks first, and would find one that was made.

    Raises:
        Refused, NotFound, HubUnavailable: it wasn't made, or that isn't known.
    """
    with translated(client.asked(None, write=True)):
        made = client.writer.create_webhook(
            url=wish.url,
            job_id=wish.job,
            watched=_items(wish),
            domains=["repo"],
            secret=wish.secret,
            secrets=None if wish.secrets is None else dict(wish.secrets),
        )
    return _hook(made)


def change(client: Client, name: str, wish: Wish) -> Hook:
    """Bring a webhook to what is wished.

    Raises:
        NotFound, Refused: it isn't there, or not the token's.
        HubUnavailable: the Hub doesn't answer.
    """

    def act() -> Hook:
        with translated(client.asked(None, write=True)):
            changed = client.writer.update_webhook(
                name,
                url=wish.url,
                job_id=wish.job,
                watched=_items(wish),
                domains=["repo"],
                secret=wish.secret,
                secrets=None if wish.secrets is None else dict(wish.secrets),
            )
        return _hook(changed)

    return client.patience.persist(act)


def switch(client: Client, name: str, *, on: bool) -> None:
    """Have a webhook told of events, or not.

    Raises:
        NotFound, Refused, HubUnavailable: see `change`.
    """

    def act() -> None:
        api = client.writer
        with translated(client.asked(None, write=True)):
            (api.enable_webhook if on else api.disable_webhook)(name)

    client.patience.persist(act)


def remove(client: Client, name: str) -> None:
    """Delete a webhook.

    Raises:
        NotFound, Refused, HubUnavailable: see `change`.
    """
    with translated(client.asked(None, write=True)):
        client.writer.delete_webhook(name)


def _items(wish: Wish) -> list[WebhookWatchedItem | dict[str, str]]:
    return [WebhookWatchedItem(type=item.type, name=item.name) for item in wish.watched]


def _hook(found: WebhookInfo) -> Hook:
    kinds: dict[str, Literal["model", "user", "org"]] = {
        "model": "model",
        "user": "user",
        "org": "org",
    }
    watched = (Item(type=kinds[w.type], name=w.name) for w in found.watched if w.type in kinds)
    return Hook(
        id=found.id,
        url=found.url,
        command=tuple(found.job.command or ()) if found.job is not None else (),
        watched=tuple(sorted(watched)),
        domains=tuple(found.domains),
        secret=found.secret,
        enabled=not found.disabled,
    )
