"""Whose token it is, and what it may do; by the Hub's clock, whether ours is right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from huggingface_hub.utils import get_session

from adapter_merge.errors import Gated
from adapter_merge.hub.client import Client
from adapter_merge.hub.translate import translated


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Who a token belongs to.

    Attributes:
        name: the user's, or the organisation's.
        role: `read`, `write` or `fineGrained`, as the Hub calls them; empty where it doesn't say.
        scopes: of a fine-grained token: repository, user or organisation -> what it may do there.
    """

    name: str
    role: str
    scopes: Mapping[str, tuple[str, ...]]


def account(client: Client, *, write: bool) -> Account:
    """Who the token for reading, or the one for publishing, belongs to.

    Raises:
        Gated: there is no token, or the Hub doesn't know it.
        HubUnavailable: the Hub doesn't answer.
    """
    api = client.writer if write else client.reader

    token = (client.write_token if write else None) or client.token

    def act() -> Account:
        with translated(client.asked(None, write=write)):
            if "authorization" not in replace(client, token=token).headers():
                raise Gated("there is no token", hint="`hf auth login`, or set `HF_TOKEN`.")
            return _account(api.whoami())

    return client.patience.persist(act)


def _account(said: Mapping[str, Any]) -> Account:
    token = _part(_part(said, "auth"), "accessToken")
    scoped: Iterable[Any] = _part(token, "fineGrained").get("scoped") or ()
    return Account(
        name=str(said.get("name", "")),
        role=str(token.get("role", "")),
        scopes={
            str(_part(one, "entity").get("name", "")): tuple(map(str, one.get("permissions") or ()))
            for one in scoped
            if isinstance(one, Mapping)
        },
    )


def _part(said: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = said.get(key)
    return found if isinstance(found, Mapping) else {}


def skew(client: Client) -> float | None:
    """Seconds that this machine's clock is ahead of the Hub's; None where the Hub doesn't say.

    Raises:
        HubUnavailable: the Hub doesn't answer.
    """

    def act() -> float | None:
        with translated(client.asked(None)):
            answer = get_session().head(client.endpoint)
            date = answer.headers.get("date")
        if date is None:
            return None
        try:
            return (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()
        except ValueError:
            return None

    return client.patience.persist(act)
