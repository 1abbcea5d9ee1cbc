"""The operations of one commit, and the one call that makes it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete
from huggingface_hub.errors import EntryNotFoundError, FileDuplicationError, HfHubHTTPError

from adapter_merge.errors import Refused
from adapter_merge.hub.client import Client
from adapter_merge.hub.standing import Made
from adapter_merge.hub.translate import said, translated
from adapter_merge.hub.upload import upload
from adapter_merge.remote import Origin, Publication

# What the client asks for a copy between repositories, before it makes the commit.
_OF_COPIES = ("/lfs-files/duplicate", "/paths-info/", "/resolve/")


@dataclass(frozen=True, kw_only=True, slots=True)
class Operations:
    """What the client is given; the bytes of large files are on the Hub already."""

    additions: tuple[CommitOperationAdd, ...]
    copies: tuple[CommitOperationCopy, ...]
    deletions: tuple[CommitOperationDelete, ...]

    @property
    def size(self) -> int:
        """Bytes of the files that were handed over."""
        return sum(a.upload_info.size for a in self.additions)


def operations(
    client: Client, publication: Publication, advance: Callable[[int], None]
) -> Operations:
    """Hand over the bytes that the Hub can't copy by itself, and say the rest."""
    pieces = publication.pieces.items()
    copied = {path: piece.origin for path, piece in pieces if piece.origin is not None}
    added = {path: piece for path, piece in pieces if path not in copied}
    return Operations(
        additions=tuple(upload(client, publication, added, advance)),
        copies=tuple(_copy(path, origin, publication) for path, origin in copied.items()),
        deletions=tuple(
            CommitOperationDelete(path, is_folder=False) for path in publication.deletions
        ),
    )


def without_copies(
    client: Client, publication: Publication, advance: Callable[[int], None], ready: Operations
) -> Operations:
    """The same where the Hub doesn't copy: those bytes are handed over, too.

    Raises:
        Refused: they aren't here.
    """
    left = {copy.path_in_repo: publication.pieces[copy.path_in_repo] for copy in ready.copies}
    if any(piece.local is None for piece in left.values()):
        raise Refused(
            f"the Hub doesn't copy files within `{publication.repo}`",
            hint="Run the same command again later, or publish the folder again.",
        )
    more = tuple(upload(client, publication, left, advance))
    return replace(ready, additions=(*ready.additions, *more), copies=())


def _copy(path: str, origin: Origin, publication: Publication) -> CommitOperationCopy:
    outside = origin.repo != publication.repo
    return CommitOperationCopy(
        src_path_in_repo=origin.path,
        path_in_repo=path,
        src_revision=origin.commit,
        src_repo_id=origin.repo if outside else None,
        src_repo_type="model" if outside else None,
    )


def once(client: Client, publication: Publication, parent: str, ready: Operations) -> Made | None:
    """Make the commit; None where the Hub refuses to copy, which it says before it makes any.

    Raises:
        Conflict: the branch doesn't stand at `parent`.
        Refused: the Hub doesn't take it.
        HubUnavailable: no answer came; it may have been made.
    """
    asked = client.asked(publication.repo, revision=publication.branch, write=True)
    with translated(asked):
        try:
            return _once(client, publication, parent, ready)
        except (HfHubHTTPError, EntryNotFoundError, FileDuplicationError) as e:
            if not ready.copies or not _is_of_copies(e):
                raise
        except ValueError as e:
            if not ready.copies or "Cannot duplicate" not in str(e):
                _explain_card(e)
                raise
    return None


def _once(client: Client, publication: Publication, parent: str, ready: Operations) -> Made:
    with warnings.catch_warnings(action="ignore"):  # the client warns of a card without metadata
        made = client.writer.create_commit(
            publication.repo,
            [*ready.additions, *ready.copies, *ready.deletions],
            commit_message=publication.title,
            commit_description=_description(client.signature, publication),
            revision=publication.branch,
            create_pr=publication.pull_request,
            parent_commit=parent,
        )
    return Made(commit=made.oid, pull_request=made.pr_num)


def _description(signature: str, publication: Publication) -> str:
    """Who made it, for people, and the trailers."""
    trailers = "\n".join(f"{name}: {value}" for name, value in publication.trailers)
    return f"{signature}\n\n{trailers}" if signature else trailers


def _is_of_copies(error: Exception) -> bool:
    if not isinstance(error, HfHubHTTPError):
        return True
    return any(part in error.response.request.url.path for part in _OF_COPIES)


def _explain_card(error: ValueError) -> None:
    """The client has the Hub look at the card first, and raises what it says of it.

    Raises:
        Refused: the Hub doesn't take the card.
    """
    if "Invalid metadata in README.md" in str(error):
        raise Refused(
            f"the Hub doesn't take the model card: {said(str(error))}",
            hint="Correct the metadata at the top of the `README.md` that it comes from.",
        ) from error
