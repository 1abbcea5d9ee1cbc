"""Adapter tensors as torch tensors, read from their files and tested for NaN and infinity."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_merge.errors import NotFinite, NotFound
from adapter_merge.plan import AdapterTensor, Layer, Layers, LayerTensor, Load
from adapter_merge.sources import Sources
from adapter_merge.weights import read_span

if TYPE_CHECKING:
    import torch


def torch_dtype(name: str) -> torch.dtype:
    """The dtype of torch for a dtype that can be edited, or that holds places."""
    import torch

    return {
        "F16": torch.float16,
        "BF16": torch.bfloat16,
        "F32": torch.float32,
        "F64": torch.float64,
        "I64": torch.int64,
        "I32": torch.int32,
        "I16": torch.int16,
        "I8": torch.int8,
        "U8": torch.uint8,
        "BOOL": torch.bool,
    }[name]


@dataclass(frozen=True, kw_only=True, slots=True)
class AdapterReader:
    """Reads adapter tensors in their own dtype onto `device`."""

    sources: Sources
    files: tuple[int, ...]
    device: str

    @classmethod
    @contextmanager
    def open(cls, sources: Sources, device: str) -> Iterator[AdapterReader]:
        """Open every adapter's weights."""
        fds: list[int] = []
        try:
            fds.extend(open_source(adapter.weights) for adapter in sources.adapters)
            yield cls(sources=sources, files=tuple(fds), device=device)
        finally:
            for fd in fds:
                os.close(fd)

    def load(self, wanted: AdapterTensor, rows: slice | None = None) -> torch.Tensor:
        """One tensor, or some rows of it (steps of dimension 0).

        Raises:
            NotFinite: it holds a NaN or an infinity.
            ShortRead: the file ended early.
        """
        import torch

        adapter = self.sources.adapters[wanted.adapter]
        info = adapter.checkpoint.tensors[wanted.name]
        shape, start, count = info.shape, info.start, info.nbytes
        if rows is not None and shape:
            row_bytes = info.nbytes // max(shape[0], 1)
            shape = (rows.stop - rows.start, *shape[1:])
            start, count = start + rows.start * row_bytes, shape[0] * row_bytes
        buffer = bytearray(count)
        label = f"{adapter.pinned.source}: {wanted.name}"
        read_span(self.files[wanted.adapter], memoryview(buffer), start, name=label)
        if not buffer:
            return torch.empty(shape, dtype=torch_dtype(info.dtype), device=self.device)
        tensor = torch.frombuffer(buffer, dtype=torch_dtype(info.dtype)).reshape(shape)
        if not torch.isfinite(tensor).all():
            raise NotFinite(
                f"`{wanted.name}` of `{adapter.pinned.source}` holds a NaN or an infinity",
                hint="The training diverged, or the file is damaged; take an earlier checkpoint.",
            )
        return tensor.to(self.device)


@dataclass(frozen=True, kw_only=True, slots=True)
class WithLayers:
    """A `Load` that has the layers which edits go through; implements `HasLayers`."""

    read: Load
    layers: Layers

    def __call__(self, wanted: AdapterTensor, rows: slice | None = None) -> torch.Tensor:
        """See `Load`."""
        return self.read(wanted, rows)

    def layer(self, wanted: LayerTensor) -> Layer:
        """See `HasLayers`."""
        return self.layers[wanted]


def open_source(path: os.PathLike[str]) -> int:
    """A file descriptor for reading; the caller closes it.

    Raises:
        NotFound: the file went away, or can't be read.
    """
    try:
        return os.open(path, os.O_RDONLY)
    except OSError as e:
        raise NotFound(
            f"`{os.fspath(path)}` can't be read: {e.strerror}",
            hint="Check the file and its rights.",
        ) from e
