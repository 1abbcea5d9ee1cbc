"""What tells one kind of model repository from another: its config and the names of its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapter_merge.errors import SourceError
from adapter_merge.folder import list_files, read_json

_CONFIG = "config.json"
_TEMPLATES = ("chat_template.jinja", "chat_template.json")


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One repository, from outside.

    Attributes:
        config: `config.json`; empty where it can't be read.
        files: paths of all files.
        chats: whether it brings a chat template.
    """

    config: Mapping[str, Any]
    files: frozenset[str]
    chats: bool

    @classmethod
    def at(cls, folder: Path) -> Look:
        """Look at a folder."""
        files = frozenset(list_files(folder))
        try:
            config = read_json(folder, _CONFIG)
        except SourceError:
            config = {}
        return cls(config=config, files=files, chats=any(f in files for f in _TEMPLATES))

    @property
    def architecture(self) -> str:
        """The class that the config names; empty where it names none."""
        names = self.config.get("architectures")
        return names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""
