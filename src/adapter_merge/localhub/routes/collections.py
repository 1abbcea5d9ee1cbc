"""Collections, as far as a publisher needs them: made, listed, and what is put into them."""

from __future__ import annotations

import re

from adapter_merge.localhub.repos import identity, iso
from adapter_merge.localhub.routes.route import route
from adapter_merge.localhub.state import State
from adapter_merge.localhub.wire import Answer, Ask, Body, Problem, reply


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
    """All collections, of one owner where they are asked for."""
    owner = ask.only("owner")
    shelves = state.shelves.value
    return reply(
        [shelf for name, shelf in shelves.items() if owner in (None, name.split("/", 1)[0])]
    )


def create(state: State, ask: Ask) -> Answer:
    """Make a collection."""
    wish = ask.json(_Create)
    ask.user()
    words = re.sub(r"[^a-z0-9]+", "-", wish.title.lower()).strip("-")
    name = f"{wish.namespace}/{words}-{identity()}"
    shelf: dict[str, object] = {
        "slug": name,
        "title": wish.title,
        "owner": {"name": wish.namespace, "type": "user"},
        "description": wish.description,
        "items": [],
        "lastUpdated": iso(),
        "position": 0,
        "private": wish.private,
        "theme": "blue",
        "upvotes": 0,
        "url": f"{state.url}/collections/{name}",
    }
    state.shelves.put({**state.shelves.value, name: shelf})
    return reply(shelf)


def details(state: State, ask: Ask) -> Answer:
    """One collection."""
    return reply(_found(state, ask))


def add(state: State, ask: Ask) -> Answer:
    """Put something into a collection."""
    ask.user()
    shelf, wish = _found(state, ask), ask.json(_Add)
    items = shelf["items"]
    if not isinstance(items, list) or any(item["id"] == wish.item.id for item in items):
        raise Problem(409, "the collection has that already")
    new = {"_id": identity(), "id": wish.item.id, "type": wish.item.type, "position": len(items)}
    noted = {**new, "note": {"text": wish.note}} if wish.note else new
    kept = {**shelf, "items": [*items, noted]}
    state.shelves.put({**state.shelves.value, str(shelf["slug"]): kept})
    return reply(kept)


def _found(state: State, ask: Ask) -> dict[str, object]:
    (name,) = ask.parts
    shelf = state.shelves.value.get(name)
    if shelf is None:
        raise Problem(404, "Collection not found")
    return shelf


ROUTES = (
    route("GET /api/collections", listed),
    route("POST /api/collections", create),
    route("GET /api/collections/{repo}", details),
    route("POST /api/collections/{repo}/items", add),
    route("POST /api/collections/{repo}/item", add),
)
