"""One source as a layout reads it: base and adapters look alike from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapter_merge.errors import Corrupt
from adapter_merge.folder import parse_json, read_bytes, read_json
from adapter_merge.sources import Adapter, Base, Pinned

BASE = "base"


@dataclass(frozen=True, kw_only=True, slots=True)
class Repo:
    """The files of a base or of an adapter.

    Attributes:
        origin: `base`, or the adapter as the user wrote it.
        pinned: where it is from; its files are read below its `root`.
        files: path -> bytes.
        code: its Python files that a result may have.
    """

    origin: str
    pinned: Pinned
    files: Mapping[str, int]
    code: frozenset[str] = frozenset()

    @classmethod
    def of(cls, source: Base | Adapter) -> Repo:
        """The files of a source."""
        sizes = {path: file.size for path, file in source.files.items()}
        if isinstance(source, Base):
            return cls(origin=BASE, pinned=source.pinned, files=sizes, code=source.code)
        return cls(origin=source.pinned.source, pinned=source.pinned, files=sizes)

    @property
    def root(self) -> Path:
        """The folder that the files are read from."""
        return self.pinned.root

    @property
    def is_base(self) -> bool:
        """Whether these are the base's files."""
        return self.origin == BASE

    @property
    def label(self) -> str:
        """What sentences call it."""
        return "the base" if self.is_base else f"`{self.origin}`"

    def bytes(self, path: str) -> bytes:
        """The content of a file that is there."""
        self.pinned.file(path)
        return read_bytes(self.root, path)

    def text(self, path: str) -> str:
        """A text file that is there.

        Raises:
            Corrupt: it is not UTF-8.
        """
        try:
            return self.bytes(path).decode()
        except UnicodeDecodeError as e:
            raise self.corrupt(path, "is not UTF-8") from e

    def object(self, path: str) -> dict[str, Any]:
        """A JSON object; empty where the file isn't there.

        Raises:
            Corrupt: the file holds something else.
        """
        if path not in self.files:
            return {}
        self.pinned.file(path)
        return read_json(self.root, path)

    def objects(self, path: str) -> list[dict[str, Any]]:
        """A JSON list of objects; empty where the file isn't there.

        Raises:
            Corrupt: the file holds something else.
        """
        if path not in self.files:
            return []
        value = parse_json(self.bytes(path), name=f"`{path}` in `{self.root}`")
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise self.corrupt(path, "is not a JSON list of objects")
        return value

    def corrupt(self, path: str, what: str) -> Corrupt:
        """The error for a file that is not what its name says; `what` goes on after the name."""
        return Corrupt(f"`{path}` in `{self.root}` {what}", hint="Save it again.")
