"""Where hf_xet finds the store of this Hub."""

from __future__ import annotations

import time

from adapter_merge.localhub.routes.route import route
from adapter_merge.localhub.state import Need, State
from adapter_merge.localhub.wire import Answer, Ask, Problem, reply

_SECONDS = 3600


def read(state: State, ask: Ask) -> Answer:
    """Where to read."""
    return _token(state, ask, "files")


def write(state: State, ask: Ask) -> Answer:
    """Where to write."""
    return _token(state, ask, "propose" if ask.asks("create_pr") else "write")


def _token(state: State, ask: Ask, need: Need) -> Answer:
    kind, name, _ = ask.parts
    state.reach(ask, kind, name, need)
    if not state.settings.xet:
        raise Problem(404, "this Hub was started without Xet")
    expires, where = int(time.time()) + _SECONDS, state.xet.address
    headers = {
        "X-Xet-Cas-Url": where,
        "X-Xet-Access-Token": "local",
        "X-Xet-Token-Expiration": str(expires),
    }
    return reply({"accessToken": "local", "exp": expires, "casUrl": where}, headers=headers)


ROUTES = (
    route("GET /api/{kind}/{repo}/xet-read-token/{rev}", read),
    route("GET /api/{kind}/{repo}/xet-write-token/{rev}", write),
)
