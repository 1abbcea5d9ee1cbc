"""What a webhook has to watch for a merges.yaml: its adapters, and the owners whose adapters it follows."""

from __future__ import annotations

from collections.abc import Iterator

from adapter_merge.errors import RequestError
from adapter_merge.hub.webhooks import Item
from adapter_merge.merges import Roster


def items(roster: Roster, *, user: str) -> tuple[Item, ...]:
    """What is watched, in order and once each; `user` is whose token asks, other owners count as organisations.

    Raises:
        RequestError: nothing in it is on a Hub.
    """
    found = tuple(sorted(set(_items(roster, user))))
    if not found:
        raise RequestError(
            "merges.yaml names no adapter on a Hub, so there is nothing to watch",
            hint="Name one as `org/name`, or an owner under `watch`.",
        )
    return found


def _items(roster: Roster, user: str) -> Iterator[Item]:
    owners = {w.watch.owner.casefold(): w.watch.owner for w in roster.watches}
    for key, owner in owners.items():
        yield Item(type="user" if key == user.casefold() else "org", name=owner)
    for entry in roster.entries:
        for adapter in entry.request.adapters:
            repo = adapter.ref.repo
            # Whoever is told of all of an owner is told of each of its repositories.
            if repo is not None and repo.partition("/")[0].casefold() not in owners:
                yield Item(type="model", name=repo)
