"""What the doctor asks of the Hub: tokens and their scopes, adapters, targets, and the webhook."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from adapter_merge.bot.setting.exam import Exam
from adapter_merge.bot.setting.install import ours
from adapter_merge.bot.setting.watched import items
from adapter_merge.errors import AdapterMergeError, Gated
from adapter_merge.figures import counted
from adapter_merge.hub import webhooks
from adapter_merge.hub.account import Account, account, skew
from adapter_merge.hub.client import Client
from adapter_merge.hub.webhooks import Hook, Item
from adapter_merge.merges import Roster, Wanted
from adapter_merge.ports import Hub

_PAGE = "https://huggingface.co/settings/tokens"
_MOST_SKEW = 120.0  # seconds: `settle` counts minutes from the Hub's times


def clock(client: Client) -> Exam:
    """Whether the Hub answers, and tells the time that this machine has."""
    ahead = skew(client)
    where = f"`{client.asked(None).host}` answers"
    if ahead is None or abs(ahead) <= _MOST_SKEW:
        return Exam(name="hub", state="ok", said=where)
    way = "ahead of" if ahead > 0 else "behind"
    return Exam(
        name="hub",
        state="warn",
        said=f"{where}, and this clock is {abs(ahead):.0f} s {way} its own",
        todo="Set the clock: `settle` goes by the Hub's times.",
    )


def reading(client: Client) -> Exam:
    """Whose token reads adapters and bases; public ones need none."""
    try:
        who = account(client, write=False)
    except Gated as e:
        said = f"adapters and bases are read without a token: {e.message}"
        return Exam(
            name="read token", state="warn", said=said, todo=f"Private ones need one: {_PAGE}"
        )
    return Exam(name="read token", state="ok", said=f"reads adapters and bases: {_who(who)}")


def writing(client: Client) -> Exam:
    """Whose token publishes."""
    who = account(client, write=True)
    apart = "`HF_WRITE_TOKEN`" if client.write_token else "the same token"
    said = f"publishes, and makes webhooks and Jobs: {apart}, {_who(who)}"
    if who.role == "read":
        return Exam(
            name="write token", state="fail", said=said, todo=f"Make one that may write: {_PAGE}"
        )
    return Exam(name="write token", state="ok", said=said)


def _who(who: Account) -> str:
    """Its owner and its role; of a fine-grained one what it reaches."""
    reach = ", ".join(f"`{name}` ({', '.join(may)})" for name, may in who.scopes.items())
    role = f" ({who.role})" if who.role else ""
    return f"`{who.name}`{role}" + (f", for {reach}" if reach else "")


def targets(hub: Hub, entries: Iterable[Wanted]) -> Iterator[Exam]:
    """Whether the token may publish to every target."""
    for entry in entries:
        target = entry.request.target
        if target.repo is not None:
            yield _target(hub, entry)


def _target(hub: Hub, entry: Wanted) -> Exam:
    request = entry.request
    try:
        seen = hub.target(request.target, request.branch)
        hub.require_write(seen, pull_request=request.publish == "pr")
    except AdapterMergeError as e:
        return Exam(name="target", state="fail", said=e.message, todo=e.hint)
    there = "isn't there yet, and may be made" if seen.access is None else "may be written to"
    return Exam(name="target", state="ok", said=f"`{entry.label}` {there}")


def webhook(client: Client, roster: Roster, *, url: str | None, secret: str | None) -> Exam:
    """Whether one webhook of ours watches all that it should, and is on."""
    user = account(client, write=True).name
    found = tuple(hook for hook in webhooks.hooks(client) if ours(hook, url))
    again = "Run `adapter-merge bot install` again."
    if not found:
        said = f"none tells `{url}`" if url else "none runs `adapter-merge bot job`"
        return Exam(
            name="webhook",
            state="warn",
            said=f"{said}: only the timer sees a push",
            todo="Make one with `adapter-merge bot install`.",
        )
    missing = _missing(found, items(roster, user=user))
    wrong = _wrong(found, missing, secret)
    if wrong:
        return Exam(name="webhook", state="fail", said=wrong, todo=again)
    return Exam(
        name="webhook",
        state="ok",
        said=f"watches {counted(len(found[0].watched), 'name')}, and is on",
    )


def _missing(found: tuple[Hook, ...], wanted: tuple[Item, ...]) -> list[str]:
    watched = {item for hook in found for item in hook.watched}
    return [item.name for item in wanted if item not in watched]


def _wrong(found: tuple[Hook, ...], missing: list[str], secret: str | None) -> str:
    hook = found[0]
    if len(found) > 1:
        return f"there are {len(found)} of them, and each has everything looked at"
    if not hook.enabled:
        return "it is switched off"
    if webhooks.REPOSITORIES not in hook.domains:
        return "it isn't told of pushes"
    if missing:
        return f"it doesn't watch {', '.join(f'`{name}`' for name in missing[:5])}"
    if secret is not None and hook.secret is not None and hook.secret != secret:
        return "it sends another secret than the bot takes"
    return ""
