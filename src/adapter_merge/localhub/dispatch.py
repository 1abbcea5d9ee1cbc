"""From a request to its answer: whose it is, whether they may ask so often, and which call it is."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

from adapter_merge.localhub.limits import Limits
from adapter_merge.localhub.repos import KINDS
from adapter_merge.localhub.routes import find
from adapter_merge.localhub.state import State
from adapter_merge.localhub.users import Token
from adapter_merge.localhub.wire import Answer, Ask, Inflow, Problem

_FIRST_PART = re.compile(
    r"(?P<start>/api/(?P<kind>models|datasets|spaces)/|/(?:(?P<at>datasets|spaces)/)?)(?P<name>[^/]+?)(?=/|\.git/|$)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """A request as it came; `target` is its path with the query."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: Inflow


def answered(state: State, limits: Limits, incoming: Incoming) -> tuple[Answer, Token | None]:
    """What the Hub answers, and to whose token.

    Raises:
        ConnectionError: the client has gone, or the Hub is about to.
    """
    token: Token | None = None
    limited: Mapping[str, str] = {}
    bearer = incoming.headers.get("authorization")
    try:
        token = _token(state, bearer)
        standing = limits.count(bearer or "")
        limited = standing.headers
        if not standing.within:
            raise Problem(429, "You have been rate-limited")  # noqa: TRY301 - all are answered alike
        answer = _asked(state, incoming, token)
    except Problem as e:
        answer = e.answer()
    except ConnectionError:
        raise
    except Exception:  # the one place where a bug becomes an answer
        traceback.print_exc(file=sys.stderr)
        answer = Problem(500, "this is a bug in the local Hub").answer()
    return replace(answer, headers={**answer.headers, **limited}), token


def _token(state: State, bearer: str | None) -> Token | None:
    try:
        return state.people.value.bearer(bearer)
    except PermissionError as e:
        raise Problem(401, "Invalid credentials in Authorization header") from e


def _asked(state: State, incoming: Incoming, token: Token | None) -> Answer:
    url = urlsplit(incoming.target)
    path = _two_parts(state, url.path)
    found = find(incoming.method, path)
    if found is None:
        raise Problem(404, f"This Hub has no `{incoming.method} {url.path}`")
    route, parts = found
    ask = Ask(
        method=incoming.method,
        path=path,
        parts=parts,
        query=parse_qs(url.query, keep_blank_values=True),
        headers=incoming.headers,
        body=incoming.body,
        token=token,
    )
    if route.streams or incoming.method in ("GET", "HEAD"):
        return route.handle(state, ask)
    incoming.body.whole()  # so that nobody waits for a slow client
    with state.lock:
        if state.closed:
            raise ConnectionAbortedError
        return route.handle(state, ask)


def _two_parts(state: State, path: str) -> str:
    """A path whose repository has an owner: `gpt2` becomes `_/gpt2`, where there is one of that name."""
    found = _FIRST_PART.match(path)
    if found is None:
        return path
    kind = KINDS[found["kind"] or found["at"] or "models"]
    if state.repos.get(kind, found["name"]) is None:
        return path
    return f"{found['start']}_/{path[found.start('name') :]}"
