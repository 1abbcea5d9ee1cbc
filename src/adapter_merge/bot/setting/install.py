"""One webhook for a merges.yaml, made or brought up to date: it tells an address, or runs a Job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlsplit

from adapter_merge.bot.setting.watched import items
from adapter_merge.bot.words import signature
from adapter_merge.errors import RequestError
from adapter_merge.hub import jobs, webhooks
from adapter_merge.hub.account import account
from adapter_merge.hub.client import SIGNATURE, Client
from adapter_merge.hub.webhooks import REPOSITORIES, Hook, Wish
from adapter_merge.merges import Roster

COMMAND = ("adapter-merge", "bot", "job")
_FIRST_RUN = 900.0  # seconds: a machine is found, and an image pulled
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Runs:
    """The Job that a push starts.

    Attributes:
        image: where the command is found; see `jobs.Order`.
        document: the merges.yaml, whole: a Job has no other file of its user's.
        secrets: what it gets as secrets, tokens among them.
        flavor, timeout: the machine, and for how long, in the Hub's own words.
        contact: who runs it, for its commits; None where nobody says.
    """

    image: str
    document: str
    secrets: Mapping[str, str] = field(repr=False)
    flavor: str
    timeout: str
    contact: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """The webhook that stands now, and what was done for it."""

    hook: Hook
    what: Literal["made", "changed", "unchanged"]


def ours(hook: Hook, url: str | None) -> bool:
    """Whether a webhook is the bot's: it tells this address, or without one runs our command."""
    return hook.url == url if url is not None else hook.command[: len(COMMAND)] == COMMAND


def require_safe(url: str) -> None:
    """Refuse an address that the secret would be sent to in the clear.

    Raises:
        RequestError: it is none, or not `https`.
    """
    parts = urlsplit(url)
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not safe or not parts.hostname or parts.username is not None:
        raise RequestError(
            f"`{parts.scheme}://{parts.hostname or ''}` is no address for a webhook: its secret is sent there",
            hint="Give the whole address with `https://`, such as `https://bot.example.com/webhook`.",
        )


def tell(client: Client, roster: Roster, *, url: str, secret: str) -> Installed:
    """Have the Hub tell an address of every push that matters to a roster.

    Raises:
        RequestError: the address is no safe one, or there is nothing to watch.
        Gated, Refused: the token may not make webhooks.
        HubUnavailable: the Hub doesn't answer.
    """
    require_safe(url)
    wish = Wish(watched=_watched(client, roster), url=url, secret=secret)
    found = _found(client, url)
    if found is None:
        return Installed(hook=webhooks.make(client, wish), what="made")
    if _stands(found, wish):
        return Installed(hook=found, what="unchanged")
    return Installed(hook=_changed(client, found, wish), what="changed")


def run(client: Client, roster: Roster, runs: Runs) -> Installed:
    """Have the Hub run a Job at every push that matters to a roster.

    The Job runs once now, without a payload: the Hub asks for one that has run. What a Job gets can't be read
    back, so the webhook is always brought up to date.

    Raises:
        RequestError: there is nothing to watch, or the first run failed.
        Gated, Refused: the token may not run Jobs, or make webhooks.
        HubUnavailable: the Hub doesn't answer.
    """
    watched = _watched(client, roster)
    source = jobs.waited(client, jobs.start(client, _order(runs)), most=_FIRST_RUN)
    wish = Wish(watched=watched, job=source.id, secrets=runs.secrets)
    found = _found(client, None)
    if found is None:
        return Installed(hook=webhooks.make(client, wish), what="made")
    return Installed(hook=_changed(client, found, wish), what="changed")


def settles(roster: Roster) -> bool:
    """Whether something waits until its adapter has stood still: a Job that a push starts comes too early for that."""
    watched = (w.wanted(f"{w.watch.owner}/any", number=0) for w in roster.watches)
    terms = (entry.terms for entry in (*roster.entries, *watched))
    return any(t.kind == "settled" and t.settle for t in terms)


def uninstall(client: Client, *, url: str | None) -> tuple[Hook, ...]:
    """Take away the bot's webhooks alone; the result is what was there.

    Raises:
        Gated, Refused: the token may not see them.
        HubUnavailable: the Hub doesn't answer.
    """
    found = tuple(hook for hook in webhooks.hooks(client) if ours(hook, url))
    for hook in found:
        webhooks.remove(client, hook.id)
    return found


def switch(client: Client, *, url: str | None, on: bool) -> tuple[Hook, ...]:
    """Have the bot's webhooks told of pushes, or not; the result is those that were otherwise.

    Raises:
        Gated, Refused, HubUnavailable: see `uninstall`.
    """
    found = tuple(h for h in webhooks.hooks(client) if ours(h, url) and h.enabled is not on)
    for hook in found:
        webhooks.switch(client, hook.id, on=on)
    return found


def _watched(client: Client, roster: Roster) -> tuple[webhooks.Item, ...]:
    return items(roster, user=account(client, write=True).name)


def _found(client: Client, url: str | None) -> Hook | None:
    """The one that is kept; further ones of ours would have everything done twice."""
    found = [hook for hook in webhooks.hooks(client) if ours(hook, url)]
    for hook in found[1:]:
        webhooks.remove(client, hook.id)
    return next(iter(found), None)


def _stands(hook: Hook, wish: Wish) -> bool:
    return (
        hook.enabled
        and hook.watched == wish.watched
        and REPOSITORIES in hook.domains
        and hook.secret == wish.secret
    )


def _changed(client: Client, hook: Hook, wish: Wish) -> Hook:
    changed = webhooks.change(client, hook.id, wish)
    if changed.enabled:
        return changed
    webhooks.switch(client, changed.id, on=True)
    return replace(changed, enabled=True)


def _order(runs: Runs) -> jobs.Order:
    return jobs.Order(
        image=runs.image,
        command=COMMAND,
        environment={
            "ADAPTER_MERGE_MERGES": runs.document,
            SIGNATURE: signature(runs.contact),
        },
        secrets=runs.secrets,
        flavor=runs.flavor,
        timeout=runs.timeout,
        labels={"adapter-merge": "bot"},
    )
