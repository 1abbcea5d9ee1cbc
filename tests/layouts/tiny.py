"""Bases and adapters that are folders of real files, a few bytes each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from adapter_merge.checkpoint import Checkpoint
from adapter_merge.folder import list_files
from adapter_merge.layouts import Side
from adapter_merge.layouts.repo import Repo
from adapter_merge.sources import (
    Adapter,
    AdapterConfig,
    Pinned,
    RepoFile,
)
from adapter_merge.weights import encode_header

# path -> content: bytes as they are, text, or a value that becomes JSON
Files: TypeAlias = Mapping[str, Any]
MakeRepo: TypeAlias = Callable[..., Repo]
MakeSide: TypeAlias = Callable[..., Side]

WEIGHTS = encode_header([("w", "F32", (1,))], None)[0] + bytes(4)
NOTHING = Checkpoint(files=(), index=None)


def write(root: Path, files: Files) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(encoded(content))
    return root


def encoded(content: object) -> bytes:
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else json.dumps(content)).encode()


def listed(root: Path) -> dict[str, RepoFile]:
    return {p: RepoFile(path=p, size=s, digest=None) for p, s in list_files(root).items()}


def adapter_in(root: Path) -> Adapter:
    return Adapter(
        pinned=Pinned(source=root.name, root=root),
        weight=1.0,
        config=AdapterConfig(),
        checkpoint=NOTHING,
        files=listed(root),
        readme=None,
    )


def contents(side: Side) -> dict[str, Any]:
    """What the result's files would hold; JSON is parsed."""
    found: dict[str, Any] = {}
    for file in side.files:
        content = file.source.read_bytes() if file.source is not None else file.content
        assert content is not None
        assert len(content) == file.size
        is_json = file.path.endswith(".json")
        found[file.path] = json.loads(content) if is_json else content.decode(errors="replace")
    return found
