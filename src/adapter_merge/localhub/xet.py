"""The Xet store: a folder that hf_xet itself fills and reads, by its address `local://FOLDER`."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Shards are written in entries of 48 bytes after a header of 48. A file's first entry has its hash, flags and
# the number of its segments; a segment ends in its length. The flags say what follows the segments.
_ENTRY = 48
_END = b"\xff" * 32
_VERIFIED, _HAS_SHA256 = 1 << 31, 1 << 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A file in the store."""

    hash: str
    size: int


class XetStore:
    """Finds files of the store by their sha256, and takes them out of it."""

    def __init__(self, root: Path) -> None:
        self._root = root / "xet"
        self._root.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, Held] = {}
        self._read: set[Path] = set()

    @property
    def address(self) -> str:
        """What hf_xet takes for an endpoint."""
        return f"local://{self._root}"

    def find(self, sha256: str) -> Held | None:
        """What is known of a file, where somebody has uploaded it."""
        if sha256 not in self._known:
            for path in set(self._root.rglob("shards/*.mdb")) - self._read:
                with suppress(struct.error):  # an upload that goes on still writes it
                    self._known.update(dict(_files(path.read_bytes())))
                    self._read.add(path)
        return self._known.get(sha256)

    def download(self, name: str, size: int, target: Path) -> None:
        """Write a file of the store to the disk."""
        import hf_xet

        session: Any = hf_xet.XetSession()
        with session.new_file_download_group(endpoint=self.address) as group:
            group.start_download_file(hf_xet.XetFileInfo(name, size), str(target))


def _files(shard: bytes) -> Iterator[tuple[str, Held]]:
    """Each file that a shard tells a sha256 of."""
    at = _ENTRY
    while (name := shard[at : at + 32]) != _END:
        flags, count = struct.unpack_from("<II", shard, at + 32)
        lengths = [
            struct.unpack_from("<I", shard, at + _ENTRY * (n + 1) + 36)[0] for n in range(count)
        ]
        at += _ENTRY * (1 + count + (count if flags & _VERIFIED else 0))
        if flags & _HAS_SHA256:
            yield _hex(shard[at : at + 32]), Held(hash=_hex(name), size=sum(lengths))
            at += _ENTRY


def _hex(name: bytes) -> str:
    """A hash as the Hub spells it: four little-endian words."""
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", name))
