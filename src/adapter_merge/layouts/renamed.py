"""An adapter's file under other names: its header is written anew, its tensors' bytes stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from adapter_merge.checkpoint import WeightFile
from adapter_merge.folder import ADAPTER_WEIGHTS
from adapter_merge.layouts.side import Side
from adapter_merge.modules import moved
from adapter_merge.plan import Change
from adapter_merge.sources import INSIDE, Adapter
from adapter_merge.weights import encode_header


def renamed(side: Side, adapter: Adapter, modules: Mapping[str, str]) -> Side:
    """The side files with the adapter's tensors under the new names of their modules, old -> new."""
    (file,) = adapter.checkpoint.files
    header, skip = _header(file, modules), len(file.header)
    files = tuple(
        replace(f, content=header, skip=skip, size=len(header) + f.size - skip)
        if f.path == ADAPTER_WEIGHTS
        else f
        for f in side.files
    )
    old, new = next(iter(modules.items()))
    change = Change(
        subject=f"{ADAPTER_WEIGHTS}: names of {len(modules)} modules",
        before=old,
        after=new,
        why="they are older than today's class, whose loaders would pass over them in silence",
    )
    return replace(side, files=files, changes=(*side.changes, change))


def _header(file: WeightFile, modules: Mapping[str, str]) -> bytes:
    tensors = [(_renamed(t.name, modules), t.dtype, t.shape) for t in file.tensors]
    return encode_header(tensors, file.metadata)[0]


def _renamed(name: str, modules: Mapping[str, str]) -> str:
    inside = moved(name.removeprefix(INSIDE), modules)
    return name if inside is None else INSIDE + inside
