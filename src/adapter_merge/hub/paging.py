"""A list of the Hub that comes in pages, each of them held to a size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from adapter_merge.errors import AdapterMergeError, Corrupt
from adapter_merge.hub.ask import answering, first_bytes, parsed_json
from adapter_merge.hub.client import Client
from adapter_merge.hub.translate import Asked

_MOST_BYTES = 16_000_000  # of a page


def paged(
    client: Client, asked: Asked, url: str, *, what: str, most: int, beyond: AdapterMergeError
) -> Iterator[dict[str, Any]]:
    """The entries of at most so many pages, from the first address on, read as they are asked for.

    `what` is what the list has, for messages; `beyond` is raised where there are more pages.

    Raises:
        Corrupt: it is no list.
    """
    following: str | None = url
    for _ in range(most):
        entries, following = _page(client, asked, following or url, what)
        yield from entries
        if following is None:
            return
        following = _at_home(client, following)
    raise beyond


def _page(
    client: Client, asked: Asked, url: str, what: str
) -> tuple[list[dict[str, Any]], str | None]:
    """One page, and the address of the next."""

    def act() -> tuple[Any, str | None]:
        with answering(client, asked, url) as response:
            content = first_bytes(response, _MOST_BYTES, asked)
            return parsed_json(content, asked), response.links.get("next", {}).get("url")

    entries, following = client.patience.persist(act)
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise Corrupt(
            f"{asked.host} sends no list of {what}",
            hint="Check `HF_ENDPOINT`: not every mirror has them.",
        )
    return entries, following


def _at_home(client: Client, url: str) -> str:
    """The address at the Hub that was asked: a mirror may hand out another's, and the token goes with it."""
    parts, home = urlsplit(url), urlsplit(client.endpoint).path
    path = parts.path.removeprefix(home) if parts.path.startswith(f"{home}/") else parts.path
    return f"{client.endpoint}{path}?{parts.query}"
