"""Tags: set once, never moved."""

from __future__ import annotations

from adapter_merge.errors import Conflict, HubUnavailable
from adapter_merge.hub.client import Client
from adapter_merge.hub.standing import refs_of
from adapter_merge.hub.translate import translated


def tag(client: Client, repo: str, name: str, commit: str) -> None:
    """Tag a commit; done where the tag stands there already, so a lost answer does no harm.

    Raises:
        Conflict: the tag stands at another commit.
    """

    def act() -> None:
        try:
            with translated(client.asked(repo, revision=commit, write=True)):
                client.writer.create_tag(repo, tag=name, revision=commit)
        except (Conflict, HubUnavailable):
            at = refs_of(client, repo).tags.get(name)
            if at == commit:
                return
            if at is None:
                raise
            raise Conflict(
                f"the tag `{name}` of `{repo}` stands at another commit, {at[:7]}, and tags never move",
                hint="Name another one with `--tag`; the result itself is published.",
            ) from None

    client.patience.persist(act)
