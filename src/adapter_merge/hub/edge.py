"""A Hub as `ports.Hub`: one method an errand, each of them in a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from adapter_merge.hub import client as clients
from adapter_merge.hub import commit as commits
from adapter_merge.hub import discuss, owned, people, proposals, snapshot, standing, tag, write
from adapter_merge.hub.client import Client
from adapter_merge.hub.known import Kept
from adapter_merge.hub.listing import Place, listed
from adapter_merge.ports import Repository
from adapter_merge.receipt import Receipt
from adapter_merge.remote import (
    Commit,
    Model,
    Proposal,
    Publication,
    RemoteFile,
    RemoteTarget,
    RepoFacts,
    Sent,
    Topic,
)
from adapter_merge.request import RepoRef

_HASTY = 2  # tries: one lost answer is no silence


class HubEdge:
    """Implements `ports.Hub`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        # The token that only reads may not see a private target.
        self._writing = replace(client, token=client.write_token or client.token)
        # And the one that writes may not see a private source.
        self._reading = replace(client, write_token=None)
        # What stands at a commit never changes; that it may still be read is asked each time.
        self._lists = Kept[Place, Mapping[str, RemoteFile]]()
        self._targets = Kept[tuple[str, str | None], RemoteTarget]()

    @cached_property
    def _user(self) -> str | None:
        """Asked once: a Hub lets nobody ask that often."""
        return write.name_of(self._writing)

    @cached_property
    def _reader(self) -> str | None:
        """Asked once, as `_user`."""
        return people.account(self._reading)

    def open(self, ref: RepoRef, *, hasty: bool = False) -> Repository:
        """Pin a ref and list its files."""
        client = self._client
        if hasty:
            client = replace(client, patience=replace(client.patience, tries=_HASTY))
        return snapshot.opened(client, ref, self._listed)

    def _listed(self, client: Client, place: Place) -> Mapping[str, RemoteFile]:
        known = self._lists.get(place)
        return self._lists.keep(place, listed(client, place)) if known is None else known

    def target(self, ref: RepoRef, branch: str | None) -> RemoteTarget:
        """A target as it stands."""
        repo = ref.repo or ref.text
        known = self._targets.get((repo, branch))
        found = standing.target_of(self._writing, repo, branch, known)
        if found.head is not None:
            self._lists.keep(Place(repo=repo, commit=found.head), found.files)
        return self._targets.keep((repo, branch), found)

    def result(self, repo: str, commit: str) -> Repository:
        """A target at one commit."""
        ref = RepoRef.model_validate(f"hf://{repo}@{commit}")
        return snapshot.opened(self._writing, ref, self._listed)

    def files(self, repo: str, commit: str) -> Mapping[str, RemoteFile]:
        """Every file of a repository at one commit."""
        return standing.files_at(self._writing, repo, commit)

    def receipt(self, repo: str, commit: str) -> Receipt | None:
        """The receipt at one commit."""
        return standing.receipt_at(self._writing, repo, commit)

    def history(self, repo: str, revision: str) -> Iterator[Commit]:
        """The commits of a revision, newest first."""
        return standing.history(self._writing, repo, revision)

    def pushes(self, repo: str, revision: str) -> Iterator[Commit]:
        """The commits of a source, newest first."""
        return standing.history(self._reading, repo, revision)

    def models(self, owner: str) -> Iterator[Model]:
        """The model repositories of an owner."""
        return owned.models(self._reading, owner)

    def tags(self, repo: str) -> Mapping[str, str]:
        """The tags of a source."""
        return standing.refs_of(self._reading, repo).tags

    def facts(self, repo: str, *, target: bool = False) -> RepoFacts | None:
        """What decides who reaches a repository."""
        return people.facts(self._writing if target else self._reading, repo)

    def authors(self, repo: str, commit: str, paths: Collection[str]) -> frozenset[str] | None:
        """The users who last changed these files of a source."""
        return people.authors(self._reading, repo, commit, paths)

    def members(self, organization: str) -> frozenset[str] | None:
        """The members of an organization."""
        return people.members(self._reading, organization)

    def account(self) -> str | None:
        """The user whose token reads."""
        return self._reader

    def proposals(self, repo: str) -> Iterator[Proposal]:
        """The pull requests of our own that aren't merged, newest first."""
        return proposals.proposals(self._writing, repo, self._user)

    def require_write(self, target: RemoteTarget, *, pull_request: bool = False) -> None:
        """Ask whether the token may publish there."""
        write.require_write(self._writing, target, pull_request=pull_request)

    def send(self, publication: Publication, advance: Callable[[int], None] | None = None) -> Sent:
        """Make one commit, once, and read it back."""
        return commits.send(self._writing, publication, advance or (lambda _: None))

    def tag(self, repo: str, name: str, commit: str) -> None:
        """Tag a commit."""
        tag.tag(self._writing, repo, name, commit)

    def discuss(self, repo: str, title: str, revised: Callable[[str | None], Topic | None]) -> str:
        """Have the discussion of that title say what it should."""
        return discuss.discuss(self._writing, repo, title, revised)


def connect() -> HubEdge:
    """The Hub that the environment names; see `client.connect`."""
    return HubEdge(clients.connect())
