"""Tensors where they lie: spans of weight files read into numpy, a chunk at a time, never mapped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adapter_merge.checkpoint import TensorInfo
from adapter_merge.errors import ShortRead
from adapter_merge.floats import Array, Raw, decode
from adapter_merge.sources import Sources
from adapter_merge.weights import read_span

if TYPE_CHECKING:
    from adapter_merge.plan import AdapterTensor, Load64

CHUNK = 2 << 20  # bytes: two chunks and their comparison stay in a core's cache


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """One tensor of one file on disk."""

    path: Path
    info: TensorInfo

    @property
    def rows(self) -> int:
        """Steps of dimension 0; a scalar has one."""
        return self.info.shape[0] if self.info.shape else 1

    @property
    def columns(self) -> int:
        """Elements a row."""
        return self.info.size // self.rows if self.rows else 0

    def read(self, start: int, stop: int) -> Raw:
        """The bytes from `start` to `stop`, counted from the tensor's first.

        Raises:
            ShortRead: the file is gone, or ends before.
        """
        buffer = np.empty(stop - start, dtype=np.uint8)
        name = self.path.name
        try:
            fd = os.open(self.path, os.O_RDONLY)
        except OSError as e:
            raise ShortRead(
                f"`{name}` can't be opened any more: {e.strerror}",
                hint="Something changed the folder meanwhile; run again when nothing does.",
            ) from e
        try:
            read_span(fd, buffer.data, self.info.start + start, name=name)
        finally:
            os.close(fd)
        return buffer

    def values(self, rows: slice) -> Array:
        """The rows `rows` in float64, as (rows, columns)."""
        width = self.info.nbytes // self.rows
        raw = self.read(rows.start * width, rows.stop * width)
        return decode(raw, self.info.dtype).reshape(rows.stop - rows.start, self.columns)


def chunks(elements: int, itemsize: int) -> Iterator[tuple[int, int]]:
    """Element ranges that cover `elements`, each of at most `CHUNK` bytes at `itemsize` bytes each."""
    step = CHUNK // itemsize
    for start in range(0, elements, step):
        yield start, min(start + step, elements)


def loader(sources: Sources) -> Load64:
    """A `Load64` that reads adapter tensors from their files and keeps those that it has read whole.

    Make one for each edited tensor: what it keeps is freed with it.
    """

    def stored(wanted: AdapterTensor) -> Stored:
        adapter = sources.adapters[wanted.adapter]
        return Stored(path=adapter.weights, info=adapter.checkpoint.tensors[wanted.name])

    @cache
    def whole(wanted: AdapterTensor) -> Array:
        tensor = stored(wanted)
        raw = tensor.read(0, tensor.info.nbytes)
        return decode(raw, tensor.info.dtype).reshape(tensor.info.shape)

    def load(wanted: AdapterTensor, rows: slice | None = None) -> Array:
        return whole(wanted) if rows is None else stored(wanted).values(rows)

    return load
