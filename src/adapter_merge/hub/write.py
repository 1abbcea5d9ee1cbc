"""Whether a token may publish, asked before anything heavy is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapter_merge.errors import Gated, NotFound, Refused
from adapter_merge.hub.client import Client
from adapter_merge.hub.translate import offline, translated
from adapter_merge.remote import RemoteTarget

_TOKENS = "https://huggingface.co/settings/tokens"
_MAY_MAKE = frozenset({"write", "admin", "contributor"})


def require_write(client: Client, target: RemoteTarget, *, pull_request: bool) -> None:
    """Ask, as far as the Hub lets one know: what a token may make only shows when it makes it.

    Raises:
        Refused: it may not.
    """
    asked = client.asked(target.repo, write=True)
    if client.offline:
        raise offline(asked)
    _require_token(client)
    if target.access is None:
        _require_owner(_who(client), target.repo)
        return
    if pull_request:
        _who(client)  # anybody may propose, but nobody without a name
        return

    def act() -> None:
        with translated(asked):
            client.writer.auth_check(target.repo, write=True)

    try:
        client.patience.persist(act)
    except (Gated, NotFound) as e:
        raise _may_not(target.repo, f"may not write to `{target.repo}`") from e


def name_of(client: Client) -> str | None:
    """The user whose token publishes; None where there is none."""
    with translated(client.asked(None, write=True)):
        if "authorization" not in client.headers():
            return None
    return str(_who(client).get("name", "")) or None


def _require_token(client: Client) -> None:
    with translated(client.asked(None, write=True)):
        headers = client.headers()
    if "authorization" not in headers:
        raise Refused(
            "there is no token to publish with", hint="`hf auth login`, or set `HF_TOKEN`."
        )


def _who(client: Client) -> Mapping[str, Any]:
    def act() -> Mapping[str, Any]:
        with translated(client.asked(None, write=True)):
            found: Mapping[str, Any] = client.writer.whoami()
            return found

    return client.patience.persist(act)


def _require_owner(who: Mapping[str, Any], repo: str) -> None:
    owner = repo.split("/", maxsplit=1)[0].casefold()
    name = str(who.get("name", ""))
    places = {name.casefold(): "admin"} | {
        str(o.get("name", "")).casefold(): str(o.get("roleInOrg", "write"))
        for o in who.get("orgs", ())
    }
    if owner not in places:
        raise _may_not(
            repo, f"belongs to `{name}`, who is no member of `{repo.split('/', maxsplit=1)[0]}`"
        )
    token = who.get("auth", {}).get("accessToken", {})
    if places[owner] not in _MAY_MAKE or token.get("role") == "read":
        raise _may_not(repo, "may only read")
    if token.get("role") == "fineGrained" and not _reaches(token.get("fineGrained", {}), owner):
        raise _may_not(repo, f"may not make repositories of `{repo.split('/', maxsplit=1)[0]}`")


def _reaches(fine: Mapping[str, Any], owner: str) -> bool:
    """Whether a fine-grained token may write to what its owner has; where it doesn't say, it may."""
    scopes = fine.get("scoped")
    if not isinstance(scopes, list):
        return True
    return any(
        str(scope.get("entity", {}).get("name", "")).casefold() == owner
        and "repo.write" in scope.get("permissions", ())
        for scope in scopes
    )


def _may_not(repo: str, what: str) -> Refused:
    return Refused(
        f"`{repo}` can't be published with this token: it {what}",
        hint=f"Use a token that may write there ({_TOKENS}), or make the repository first.",
    )
