"""The files of a sealed folder, as pieces of a commit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from adapter_merge.errors import Corrupt
from adapter_merge.folder import list_files, read_bytes
from adapter_merge.receipt import FileRecord, Receipt
from adapter_merge.remote import OF_THE_HUB, UNLISTED, Piece

# No Hub keeps larger files as git does: of those it knows the sha256.
_MOST_REGULAR = 16 << 20  # bytes


def pieces_of(folder: Path, receipt: Receipt) -> Mapping[str, Piece]:
    """All files of a result; what is large is taken by the receipt's word until it is sent.

    Raises:
        Corrupt: the folder isn't what its receipt says.
    """
    sizes = list_files(folder)
    strange = sorted(sizes.keys() - receipt.files.keys() - {*UNLISTED, *OF_THE_HUB})
    if strange:
        raise _corrupt(folder, strange[0], "isn't in the receipt")
    listed = receipt.files.items()
    pieces = {p: _listed(folder, p, of, sizes) for p, of in listed if p not in OF_THE_HUB}
    return {**pieces, **card_pieces(folder)}


def card_pieces(folder: Path) -> Mapping[str, Piece]:
    """The card, and the receipt where there is one: they stand in no receipt."""
    return {name: _small(folder, name) for name in sorted(UNLISTED) if (folder / name).is_file()}


def _listed(folder: Path, path: str, record: FileRecord, sizes: Mapping[str, int]) -> Piece:
    if sizes.get(path) != record.size:
        raise _corrupt(folder, path, "is missing, or has another size than the receipt says")
    if record.size > _MOST_REGULAR:
        return Piece(size=record.size, sha256=record.sha256, local=folder / path)
    piece = _small(folder, path)
    if piece.sha256 != record.sha256:
        raise _corrupt(folder, path, "isn't what the receipt says")
    return piece


def _small(folder: Path, path: str) -> Piece:
    content = read_bytes(folder, path)
    return Piece(
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        oid=git_oid(content),
        local=folder / path,
    )


def git_oid(content: bytes) -> str:
    """The sha1 that git has for a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _corrupt(folder: Path, path: str, what: str) -> Corrupt:
    return Corrupt(
        f"`{path}` in `{folder}` {what}",
        hint=f"`adapter-merge verify {folder}` shows all that differs; merge again, or take the file away.",
    )
