"""What tells one kind of model repository from another: its config and the names of its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapter_merge.errors import SourceError
from adapter_merge.folder import parse_json, read_bytes, read_json
from adapter_merge.ports import Repository
from adapter_merge.repository import Folder

_CONFIG = "config.json"
_SETUP = "config_sentence_transformers.json"
_MODULES = "modules.json"
_TEMPLATES = ("chat_template.jinja", "chat_template.json")


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One repository, from outside.

    Attributes:
        config: `config.json`; empty where it can't be read.
        files: paths of all files.
        chats: whether it brings a chat template.
        setup: `config_sentence_transformers.json`; empty where there is none that can be read.
        modules: the classes that `modules.json` names, in its order.
    """

    config: Mapping[str, Any]
    files: frozenset[str]
    chats: bool
    setup: Mapping[str, Any] = field(default_factory=dict)
    modules: tuple[str, ...] = ()

    @classmethod
    def at(cls, folder: Path) -> Look:
        """Look at a folder."""
        return cls.of(Folder(folder))

    @classmethod
    def of(cls, repository: Repository) -> Look:
        """Look at a repository, wherever it is."""
        files = frozenset(repository.files)
        return cls(
            config=_read(repository, _CONFIG),
            files=files,
            chats=any(f in files for f in _TEMPLATES),
            setup=_read(repository, _SETUP),
            modules=_modules(repository),
        )

    @property
    def architecture(self) -> str:
        """The class that the config names; empty where it names none."""
        names = self.config.get("architectures")
        return names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""


def _modules(repository: Repository) -> tuple[str, ...]:
    if _MODULES not in repository.files:
        return ()
    try:
        repository.have((_MODULES,))
        content = read_bytes(repository.pinned.root, _MODULES)
        found = parse_json(content, name=_MODULES)
    except SourceError:
        return ()
    entries = found if isinstance(found, list) else []
    return tuple(str(entry.get("type")) for entry in entries if isinstance(entry, dict))


def _read(repository: Repository, path: str) -> Mapping[str, Any]:
    if path not in repository.files:
        return {}
    try:
        repository.have((path,))
        return read_json(repository.pinned.root, path)
    except SourceError:
        return {}
