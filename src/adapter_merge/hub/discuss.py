"""One discussion in a repository that says what became of its merge, found again and brought up to date."""

from __future__ import annotations

from itertools import islice
from typing import Any

from huggingface_hub import DiscussionComment

from adapter_merge.hub.client import Client
from adapter_merge.hub.translate import translated

_MOST = 200  # discussions that are looked at
_LONGEST = 60_000  # characters


def discuss(client: Client, repo: str, title: str, body: str) -> str:
    """Open a discussion, or bring the one of that title up to date; the result is its page.

    Only an open discussion of the token's own user counts, so a closed one makes room for a new one.

    Raises:
        Refused: the token may not write there.
        HubUnavailable: the Hub doesn't answer; the discussion may have been opened.
    """
    writer, text = _name(client), body[:_LONGEST]

    def act() -> str:
        standing = _standing(client, repo, title, writer)
        if standing is None:
            return _opened(client, repo, title, text)
        first = _first(client, repo, standing)
        if first is not None and first.content != text:
            with translated(client.asked(repo, write=True)):
                client.writer.edit_discussion_comment(repo, standing, first.id, new_content=text)
        return f"{client.endpoint}/{repo}/discussions/{standing}"

    # A second try looks first, so a lost answer makes no second discussion.
    return client.patience.persist(act)


def _name(client: Client) -> str:
    def act() -> str:
        with translated(client.asked(None, write=True)):
            return str(client.writer.whoami()["name"])

    return client.patience.persist(act)


def _standing(client: Client, repo: str, title: str, writer: str) -> int | None:
    with translated(client.asked(repo)):
        found = client.writer.get_repo_discussions(
            repo, author=writer, discussion_type="discussion", discussion_status="open"
        )
        ours = (d.num for d in islice(found, _MOST) if d.title == title and d.author == writer)
        return min(ours, default=None)


def _opened(client: Client, repo: str, title: str, text: str) -> str:
    with translated(client.asked(repo, write=True)):
        made = client.writer.create_discussion(repo, title, description=text)
    return f"{client.endpoint}/{repo}/discussions/{made.num}"


def _first(client: Client, repo: str, number: int) -> Any:
    """The comment that opens a discussion."""
    with translated(client.asked(repo)):
        details = client.writer.get_discussion_details(repo, number)
    return next((e for e in details.events if isinstance(e, DiscussionComment)), None)
