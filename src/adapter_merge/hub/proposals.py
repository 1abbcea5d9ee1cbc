"""Pull requests of a repository that nobody has merged."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

from adapter_merge.hub.client import Client
from adapter_merge.hub.standing import history
from adapter_merge.hub.translate import translated
from adapter_merge.remote import Proposal

_MOST = 100  # that are listed
_OPEN = frozenset({"open", "draft"})


def pull_requests(
    client: Client, repo: str, *, author: str | None = None, status: Literal["open"] | None = None
) -> list[Any]:
    """The newest of them, as the Hub's client has them; an author or a status leaves the others out."""

    def act() -> list[Any]:
        with translated(client.asked(repo)):
            found = client.writer.get_repo_discussions(
                repo, author=author, discussion_type="pull_request", discussion_status=status
            )
            return list(islice(found, _MOST))

    return client.patience.persist(act)


def proposals(client: Client, repo: str, user: str | None) -> Iterator[Proposal]:
    """Those of a user that are open or were closed, newest first; the head of each is asked for as it is reached.

    What a stranger proposes may have a receipt of ours in it, and anything beside. There are none of nobody's.
    """
    if user is None:
        return
    found = [d for d in pull_requests(client, repo, author=user) if d.status != "merged"]
    ours = (d for d in found if d.author.casefold() == user.casefold())
    for discussion in sorted(ours, key=lambda d: -int(d.num)):
        head = next(history(client, repo, f"refs/pr/{discussion.num}"), None)
        if head is not None:
            is_open = discussion.status in _OPEN
            yield Proposal(number=discussion.num, is_open=is_open, commit=head.id)
