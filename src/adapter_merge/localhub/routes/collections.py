"""Collections, as far as a publisher needs them: made, listed, and what is put into them."""

from __future__ import annotations

import re

from adapter_merge.localhub.repos import identity, iso
from adapter_merge.localhub.routes.route import route
from adapter_merge.localhub.state import State
from adapter_merge.localhub.users import Scope, namespace
from adapter_merge.localhub.wire import Answer, Ask, Body, Problem, reply

Shelf = dict[str, object]


class _Create(Body):
    title: str
    namespace: str
    description: str | None = None
    private: bool = False


class _Named(Body):
    type: str
    id: str


class _Add(Body):
    item: _Named
    note: str | None = None


def listed(state: State, ask: Ask) -> Answer:
    """The collections that the caller sees, of one owner where they are asked for."""
    owner = ask.only("owner")
    shelves = state.shelves.value
    return reply(
        [
            shelf
            for name, shelf in shelves.items()
            if owner in (None, namespace(name)) and _seen(state, ask, shelf)
        ]
    )


def _seen(state: State, ask: Ask, shelf: Shelf) -> bool:
    return not shelf["private"] or _reaches(state, ask, str(shelf["slug"]), "read")


def _reaches(state: State, ask: Ask, name: str, scope: Scope) -> bool:
    return ask.token is not None and state.people.value.reaches(ask.token, name, scope)


def create(state: State, ask: Ask) -> Answer:
    """Make a collection."""
    wish = ask.json(_Create)
    _check(state, ask, wish.namespace)
    words = re.sub(r"[^a-z0-9]+", "-", wish.title.lower()).strip("-")
    name = f"{wish.namespace}/{words}-{identity()}"
    shelf: Shelf = {
        "slug": name,
        "title": wish.title,
        "owner": {"name": wish.namespace, "type": "user"},
        "description": wish.description,
        "items": [],
        "lastUpdated": iso(),
        "private": wish.private,
        "theme": "blue",
        "upvotes": 0,
        "url": f"{state.url}/collections/{name}",
    }
    state.shelves.put({**state.shelves.value, name: shelf})
    return _said(shelf)


def _check(state: State, ask: Ask, name: str) -> None:
    user = ask.user()
    if not _reaches(state, ask, name, "write"):
        raise Problem(403, f"`{user}` may not write to the collections of `{namespace(name)}`")


def _said(shelf: Shelf) -> Answer:
    """A collection alone; in a list its position is where it stands there."""
    return reply({**shelf, "position": 0})


def details(state: State, ask: Ask) -> Answer:
    """One collection."""
    return _said(_found(state, ask))


def add(state: State, ask: Ask) -> Answer:
    """Put something into a collection."""
    shelf, wish = _found(state, ask), ask.json(_Add)
    _check(state, ask, str(shelf["slug"]))
    items = shelf["items"]
    if not isinstance(items, list) or any(item["id"] == wish.item.id for item in items):
        raise Problem(409, "the collection has that already")
    new = {"_id": identity(), "id": wish.item.id, "type": wish.item.type, "position": len(items)}
    noted = {**new, "note": {"text": wish.note}} if wish.note else new
    kept = {**shelf, "items": [*items, noted]}
    state.shelves.put({**state.shelves.value, str(shelf["slug"]): kept})
    return _said(kept)


def _found(state: State, ask: Ask) -> Shelf:
    (name,) = ask.parts
    shelf = state.shelves.value.get(name)
    if shelf is None or not _seen(state, ask, shelf):
        raise Problem(404, "Collection not found")
    return shelf


ROUTES = (
    route("GET /api/collections", listed),
    route("POST /api/collections", create),
    route("GET /api/collections/{repo}", details),
    route("POST /api/collections/{repo}/items", add),
    route("POST /api/collections/{repo}/item", add),
)
