"""The bytes of a commit, brought to the Hub before it: nothing of them shows until the commit is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from huggingface_hub import CommitOperationAdd
from huggingface_hub.utils import disable_progress_bars

from adapter_merge.errors import Corrupt, NotFound, Refused
from adapter_merge.hub.client import Client
from adapter_merge.hub.translate import translated
from adapter_merge.remote import Piece, Publication

# Bytes whose files go at once; a larger file goes by itself, so that one sees how far it is.
_BATCH = 1 << 30
_MOST_FILES = 100  # in one batch


def upload(
    client: Client,
    publication: Publication,
    pieces: Mapping[str, Piece],
    advance: Callable[[int], None],
) -> list[CommitOperationAdd]:
    """Hand over these files as far as they are large; the small ones go with the commit.

    Raises:
        Corrupt: a file isn't what it was when the commit was decided.
        Refused: the Hub would leave a file out.
    """
    disable_progress_bars()  # ours shows it
    operations = []
    for batch in _batches(pieces):
        added = [_addition(path, piece) for path, piece in batch.items()]

        def act(added: list[CommitOperationAdd] = added) -> None:
            with translated(client.asked(publication.repo, write=True)):
                client.writer.preupload_lfs_files(
                    publication.repo,
                    added,
                    revision=publication.branch,
                    create_pr=publication.pull_request,
                    free_memory=False,
                )

        client.patience.persist(act)
        for operation in added:
            _require_same(operation, batch[operation.path_in_repo], publication.repo)
        advance(sum(piece.size for piece in batch.values()))
        operations += added
    return operations


def _batches(pieces: Mapping[str, Piece]) -> Iterator[dict[str, Piece]]:
    batch: dict[str, Piece] = {}
    for path, piece in pieces.items():
        size = sum(p.size for p in batch.values()) + piece.size
        if batch and (size > _BATCH or len(batch) == _MOST_FILES):
            yield batch
            batch = {}
        batch[path] = piece
    if batch:
        yield batch


def _addition(path: str, piece: Piece) -> CommitOperationAdd:
    local = piece.local or Path()
    if not local.is_file():
        raise NotFound(f"`{local}` is gone", hint="Run the same command again.")
    return CommitOperationAdd(path_in_repo=path, path_or_fileobj=local)


def _require_same(operation: CommitOperationAdd, piece: Piece, repo: str) -> None:
    path, info = operation.path_in_repo, operation.upload_info
    if info.size != piece.size or info.sha256.hex() != piece.sha256:
        raise Corrupt(
            f"`{piece.local}` has changed since it was sealed",
            hint="Merge again, or restore the folder; nothing was published.",
        )
    if operation._should_ignore:  # noqa: SLF001 - the client tells nobody what it leaves out
        raise Refused(
            f"a `.gitignore` in `{repo}` makes the Hub leave out `{path}`",
            hint="Take that file away there, and run again.",
        )
