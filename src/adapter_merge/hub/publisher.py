"""The half of a Hub that results are published to, with the token that may write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from adapter_merge.hub import commit, standing, tag, write
from adapter_merge.hub.client import Client
from adapter_merge.receipt import Receipt
from adapter_merge.remote import Commit, Publication, RemoteFile, RemoteTarget, Sent
from adapter_merge.request import RepoRef


def publisher(client: Client) -> Publisher:
    """Reads with the token that writes, too: the other one may not see a private target."""
    return Publisher(client=replace(client, token=client.write_token or client.token))


@dataclass(frozen=True, kw_only=True, slots=True)
class Publisher:
    """See `ports.Hub`."""

    client: Client

    def target(self, ref: RepoRef, branch: str | None) -> RemoteTarget:
        """A target as it stands."""
        return standing.target_of(self.client, ref.repo or ref.text, branch)

    def files(self, repo: str, commit: str) -> Mapping[str, RemoteFile]:
        """Every file of a repository at one commit."""
        return standing.files_at(self.client, repo, commit)

    def receipt(self, repo: str, commit: str) -> Receipt | None:
        """The receipt at one commit."""
        return standing.receipt_at(self.client, repo, commit)

    def history(self, repo: str, revision: str) -> Iterator[Commit]:
        """The commits of a revision, newest first."""
        return standing.history(self.client, repo, revision)

    def require_write(self, target: RemoteTarget, *, pull_request: bool = False) -> None:
        """Ask whether this token may publish there."""
        write.require_write(self.client, target, pull_request=pull_request)

    def send(self, publication: Publication, advance: Callable[[int], None] | None = None) -> Sent:
        """Make one commit, once, and read it back."""
        return commit.send(self.client, publication, advance or (lambda _: None))

    def tag(self, repo: str, name: str, commit: str) -> None:
        """Tag a commit."""
        tag.tag(self.client, repo, name, commit)
