"""Our own earlier work: a commit or a pull request whose answer was lost, or that another run made.

Trailers say where to look. What they claim is anybody's word, so only equal files count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, takewhile

from adapter_merge.errors import Conflict
from adapter_merge.hub.client import Client
from adapter_merge.hub.proposals import pull_requests
from adapter_merge.hub.standing import MAIN, Made, files_at, history, refs_of
from adapter_merge.remote import UNLISTED, Commit, Publication, RemoteFile
from adapter_merge.sending import same_work, trailers_in

_MOST_COMMITS = 100  # on the branch since the parent


def earlier(client: Client, publication: Publication, parent: str) -> Made | None:
    """What does the same and stands already; None where nothing does, and the branch is still at `parent`.

    Raises:
        Conflict: somebody else has changed the branch.
    """
    commit = _earlier_commit(client, publication, parent)
    if commit is not None:
        return Made(commit=commit, found=True)
    return _earlier_request(client, publication, parent) if publication.pull_request else None


def _earlier_commit(client: Client, publication: Publication, parent: str) -> str | None:
    """The commit since `parent` that does the same; None where the branch still stands there."""
    branch = publication.branch or MAIN
    head = refs_of(client, publication.repo).branches.get(branch)
    if head == parent:
        return None
    since: Iterator[Commit] = iter(())
    if head is not None:
        since = islice(history(client, publication.repo, head), _MOST_COMMITS)
    for commit in since:
        if commit.id == parent:
            break
        if _does_the_same(client, publication, commit):
            return commit.id
    raise Conflict(
        f"`{branch}` of `{publication.repo}` has moved since {parent[:7]}, by somebody else's commit",
        hint="Run the same command again: it starts from what is there now.",
    )


def _earlier_request(client: Client, publication: Publication, parent: str) -> Made | None:
    """The open pull request that does the same; people may have written more in it since."""
    for number in _open_requests(client, publication):
        since = islice(history(client, publication.repo, f"refs/pr/{number}"), _MOST_COMMITS)
        for commit in takewhile(lambda commit: commit.id != parent, since):
            if _does_the_same(client, publication, commit):
                return Made(commit=commit.id, pull_request=number, found=True)
    return None


def _open_requests(client: Client, publication: Publication) -> Iterator[int]:
    """Numbers, those with our title first."""
    found = pull_requests(client, publication.repo, status="open")
    yield from (d.num for d in sorted(found, key=lambda d: d.title != publication.title))


def _does_the_same(client: Client, publication: Publication, commit: Commit) -> bool:
    if not same_work(trailers_in(commit.message), publication.trailers):
        return False
    files = files_at(client, publication.repo, commit.id)
    return next(differing(publication, files, strict=False), None) is None


def differing(
    publication: Publication, files: Mapping[str, RemoteFile], *, strict: bool
) -> Iterator[str]:
    """Files that a commit doesn't have as they were to be; `strict` asks that of card and receipt too.

    Who did the same before us may have told it in other words.
    """
    free = frozenset() if strict or publication.pieces.keys() <= UNLISTED else UNLISTED
    for path, piece in {**publication.kept, **publication.pieces}.items():
        if path not in free and not piece.equals(files.get(path)):
            yield path
    yield from (path for path in publication.deletions if path in files)
