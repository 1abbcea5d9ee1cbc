"""Files on a Hub: which of them hold what a commit would put, and whose they are."""

from __future__ import annotations

import pytest

from adapter_merge.remote import Piece, RemoteFile
from tests.published import files, on_a_hub, receipt, target

PIECE = Piece(size=5, sha256="a" * 64, oid="b" * 40)
LARGE = Piece(size=5, sha256="a" * 64)


@pytest.mark.parametrize(
    ("piece", "file", "same"),
    [
        (PIECE, None, False),
        (PIECE, RemoteFile(size=5, oid="b" * 40), True),
        (PIECE, RemoteFile(size=6, oid="b" * 40), False),
        (PIECE, RemoteFile(size=5, oid="c" * 40), False),
        (PIECE, RemoteFile(size=5, oid="pointer", sha256="a" * 64), True),
        (PIECE, RemoteFile(size=6, oid="pointer", sha256="a" * 64), False),
        (PIECE, RemoteFile(size=5, oid="b" * 40, sha256="c" * 64), False),
        (LARGE, RemoteFile(size=5, oid="pointer", sha256="a" * 64), True),
        (LARGE, RemoteFile(size=5, oid="b" * 40), False),
    ],
)
def test_a_file_is_told_by_size_and_digest(
    piece: Piece, file: RemoteFile | None, same: bool
) -> None:
    assert piece.equals(file) is same


def test_what_no_receipt_lists_is_foreign() -> None:
    there = {**files(1), "README.md": b"", "merge_receipt.json": b"", ".gitattributes": b""}
    known = target(files=on_a_hub({**there, "b": b"", "a": b""}), receipt=receipt(files(1)))
    assert known.foreign == ("a", "b")
    assert target(files=on_a_hub({"README.md": b"", ".gitattributes": b""})).foreign == (
        "README.md",
    )
