"""Who am I, what may I do, and a token for an identity that is trusted."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace

from adapter_merge.localhub.routes.route import route
from adapter_merge.localhub.state import State
from adapter_merge.localhub.users import IDENTITY, Token
from adapter_merge.localhub.wire import Answer, Ask, Body, Problem, reply

_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_SECONDS = 3600


class _Trade(Body):
    grant_type: str
    subject_token: str
    resource: str


def whoami(state: State, ask: Ask) -> Answer:
    """The caller, as the Hub knows them."""
    user = ask.user()
    people = state.people.value
    mine = people.organisations_of(user)
    return reply(
        {
            "type": "user",
            "id": people.identity(user),
            "name": user,
            "fullname": user,
            "isPro": False,
            "orgs": [
                {"type": "org", "name": o, "roleInOrg": people.organisations[o].members[user]}
                for o in mine
            ],
            "auth": {
                "type": "access_token",
                "accessToken": {"displayName": "localhub", **_told(ask.token)},
            },
        }
    )


def members(state: State, ask: Ask) -> Answer:
    """The members of an organization."""
    (name,) = ask.parts
    held = state.people.value.organisations.get(name)
    if held is None:
        raise Problem(404, "Organization not found")
    return reply(
        [
            {"_id": state.people.value.identity(user), "user": user, "fullname": user, "role": role}
            for user, role in sorted(held.members.items())
        ]
    )


def _told(token: Token | None) -> Mapping[str, object]:
    """What a token may do; of a fine-grained one, where."""
    if token is None or token.scopes is None:
        return {"role": "read" if token is None else token.role}
    scoped = [
        {"entity": {"name": name}, "permissions": [f"repo.{scope}"]}
        for name, scope in token.scopes.items()
    ]
    return {"role": "fineGrained", "fineGrained": {"scoped": scoped}}


def may_read(state: State, ask: Ask) -> Answer:
    """Whether the caller gets the files of a repository."""
    kind, name = ask.parts
    state.reach(ask, kind, name, "files")
    return reply({})


def may_write(state: State, ask: Ask) -> Answer:
    """Whether the caller may write to a repository."""
    kind, name = ask.parts
    state.reach(ask, kind, name, "write")
    return reply({})


def trade(state: State, ask: Ask) -> Answer:
    """A token for one repository, for an identity whose claims are those that it trusts.

    The identity's signature isn't looked at: nobody else can reach this Hub.
    """
    wish = ask.json(_Trade)
    people = state.people.value
    trusted = people.trusted.get(wish.resource)
    claims = _claims(wish.subject_token)
    if wish.grant_type != _EXCHANGE or trusted is None or trusted.items() - claims.items():
        said = {"error": "invalid_grant", "error_description": "no publisher matches"}
        raise Problem(400, "invalid_grant", body=said)
    name = f"hf_jwt_{secrets.token_hex(16)}"
    expires = time.time() + _SECONDS
    token = Token(user=IDENTITY, scopes={wish.resource: "write"}, expires=expires)
    state.people.put(replace(people, tokens={**people.tokens, name: token}))
    kind = "urn:ietf:params:oauth:token-type:access_token"
    given = {"access_token": name, "token_type": "bearer", "expires_in": _SECONDS}
    return reply({**given, "issued_token_type": kind})


def _claims(identity: str) -> Mapping[str, object]:
    try:
        middle = identity.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (IndexError, binascii.Error, ValueError) as e:
        raise Problem(400, "invalid_request", body={"error": "invalid_request"}) from e
    return claims if isinstance(claims, dict) else {}


ROUTES = (
    route("GET /api/whoami-v2", whoami),
    route("GET /api/organizations/{name}/members", members),
    route("GET /api/{kind}/{repo}/auth-check", may_read),
    route("GET /api/{kind}/{repo}/auth-check/write", may_write),
    route("POST /oauth/token", trade),
)
