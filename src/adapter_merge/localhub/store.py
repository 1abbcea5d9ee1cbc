"""Objects on the disk, each under its digest: what git calls small files, sha256 for large ones."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from adapter_merge.localhub.repos import File, git_oid, pointer_oid
from adapter_merge.localhub.xet import XetStore

_CHUNK = 1 << 20


class Mismatch(Exception):
    """The bytes aren't those that the digest names."""


class Objects:
    """What files hold. Large ones stream to the disk and from it; none is ever whole in memory."""

    def __init__(self, root: Path, xet: XetStore) -> None:
        self._root = root / "objects"
        self._parts = root / "parts"
        self._xet = xet
        self._root.mkdir(parents=True, exist_ok=True)
        self._parts.mkdir(parents=True, exist_ok=True)
        for left in self._parts.glob("*.new"):
            left.unlink()  # of a server that was killed

    def has(self, digest: str) -> bool:
        """Whether the bytes lie here, outside of the Xet store."""
        return self._at(digest).exists()

    def put(self, content: bytes) -> File:
        """Keep a small file."""
        oid = git_oid(content)
        if not self.has(oid):
            self._arrive(oid, [content])
        return File(size=len(content), oid=oid)

    def receive(self, sha256: str, chunks: Iterable[bytes]) -> None:
        """Keep a large file that comes in pieces.

        Raises:
            Mismatch: its bytes have another digest; nothing is kept.
        """
        self._arrive(sha256, chunks, check=True)

    def receive_part(self, sha256: str, number: int, chunks: Iterable[bytes]) -> str:
        """Keep one part of a large file until all are there; the result is its MD5."""
        seen = hashlib.md5(usedforsecurity=False)
        path = self._part(sha256, number)
        with path.open("wb") as file:
            for chunk in chunks:
                seen.update(chunk)
                file.write(chunk)
        return seen.hexdigest()

    def join(self, sha256: str, parts: int) -> None:
        """Make a large file of its parts, which go.

        Raises:
            Mismatch: a part is missing, or the whole has another digest.
        """
        paths = [self._part(sha256, number + 1) for number in range(parts)]
        if not all(path.exists() for path in paths):
            raise Mismatch
        self._arrive(sha256, (chunk for path in paths for chunk in _read(path)), check=True)
        for path in paths:
            path.unlink()

    def adopt(self, path: Path, sha256: str) -> File:
        """Take a file that lies elsewhere, by a hard link, or a symbolic one from another disk.

        It is not read: whoever calls vouches for its digest.
        """
        there = self._at(sha256)
        if not there.exists():
            try:
                os.link(path, there)
            except OSError:
                there.symlink_to(path.resolve())
        return self._entry(sha256, self._at(sha256).stat().st_size)

    def large(self, sha256: str) -> File | None:
        """A large file as an entry of a tree; None where nobody has sent it."""
        if self.has(sha256):
            return self._entry(sha256, self._at(sha256).stat().st_size)
        held = self._xet.find(sha256)
        return self._entry(sha256, held.size) if held is not None else None

    def _entry(self, sha256: str, size: int) -> File:
        held = self._xet.find(sha256)
        xet = held.hash if held is not None else None
        return File(size=size, oid=pointer_oid(sha256, size), sha256=sha256, xet=xet)

    def path(self, file: File) -> Path:
        """Where a file's bytes lie; what only the Xet store has is taken out of it first."""
        path = self._at(file.digest)
        if not path.exists() and file.xet is not None:
            part = self._fresh()
            self._xet.download(file.xet, file.size, part)
            part.replace(path)
        return path

    def read(self, file: File) -> bytes:
        """A small file whole."""
        return self.path(file).read_bytes()

    def _arrive(self, digest: str, chunks: Iterable[bytes], *, check: bool = False) -> None:
        part, seen = self._fresh(), hashlib.sha256()
        try:
            with part.open("wb") as file:
                for chunk in chunks:
                    seen.update(chunk)
                    file.write(chunk)
            if check and seen.hexdigest() != digest:
                raise Mismatch
            part.replace(self._at(digest))
        finally:
            part.unlink(missing_ok=True)

    def _at(self, digest: str) -> Path:
        return self._root / digest

    def _part(self, sha256: str, number: int) -> Path:
        return self._parts / f"{sha256}.{number}"

    def _fresh(self) -> Path:
        return self._parts / f"{secrets.token_hex(8)}.new"


def _read(path: Path) -> Iterable[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
