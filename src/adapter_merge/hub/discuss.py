"""One discussion in a repository that says how it stands with its merges: opened, brought up to date, and closed."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import islice
from typing import Any

from huggingface_hub import Discussion, DiscussionComment

from adapter_merge.hub.client import Client
from adapter_merge.hub.translate import translated
from adapter_merge.remote import Topic

_MOST = 200  # discussions that are looked at
_LONGEST = 60_000  # characters


def discuss(
    client: Client, repo: str, title: str, revised: Callable[[str | None], Topic | None]
) -> str:
    """Have the discussion of that title say what it should; the result is its page, empty where none was touched.

    `revised` gets what it says, None where there is none, and gives what it is to be; None leaves all as it is.
    Only discussions of the token's own user count. One that somebody closed is answered by a new one where there is something new to say.

    Raises:
        Refused: the token may not write there.
        HubUnavailable: the Hub doesn't answer; the discussion may have been opened.
    """
    writer = _name(client)

    def act() -> str:
        standing = _standing(client, repo, title, writer)
        first = None if standing is None else _first(client, repo, standing.num)
        wish = revised(None if first is None else _lines(first.content))
        if wish is None:
            return ""
        text = wish.text[:_LONGEST]
        if standing is None or standing.status != "open":
            is_news = first is None or _lines(first.content) != _lines(text)
            return _opened(client, repo, title, text) if wish.is_open and is_news else ""
        if first is not None and _lines(first.content) != _lines(text):
            with translated(client.asked(repo, write=True)):
                client.writer.edit_discussion_comment(
                    repo, standing.num, first.id, new_content=text
                )
        if not wish.is_open:
            with translated(client.asked(repo, write=True)):
                client.writer.change_discussion_status(repo, standing.num, "closed")
        return _page(client, repo, standing.num)

    # A second try looks first, so a lost answer makes no second discussion.
    return client.patience.persist(act)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _page(client: Client, repo: str, number: int) -> str:
    return f"{client.asked(repo).page}/discussions/{number}"


@lru_cache(maxsize=4)
def _name(client: Client) -> str:
    """The token's user; the Hub lets one ask that only so often."""

    def act() -> str:
        with translated(client.asked(None, write=True)):
            return str(client.writer.whoami()["name"])

    return client.patience.persist(act)


def _standing(client: Client, repo: str, title: str, writer: str) -> Discussion | None:
    """The oldest that is open, or else the newest that is closed."""
    with translated(client.asked(repo)):
        found = client.writer.get_repo_discussions(
            repo, author=writer, discussion_type="discussion"
        )
        ours = [d for d in islice(found, _MOST) if d.title == title and d.author == writer]
    still = [d for d in ours if d.status == "open"]
    if still:
        return min(still, key=lambda d: d.num)
    return max(ours, key=lambda d: d.num, default=None)


def _opened(client: Client, repo: str, title: str, text: str) -> str:
    with translated(client.asked(repo, write=True)):
        made = client.writer.create_discussion(repo, title, description=text)
    return _page(client, repo, made.num)


def _first(client: Client, repo: str, number: int) -> Any:
    """The comment that opens a discussion."""
    with translated(client.asked(repo)):
        details = client.writer.get_discussion_details(repo, number)
    return next((e for e in details.events if isinstance(e, DiscussionComment)), None)
