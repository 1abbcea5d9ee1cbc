"""One worker: it copies or computes one chunk at a time, in buffers that it keeps."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from threading import Lock
from typing import TYPE_CHECKING

from adapter_merge.checkpoint import BITS
from adapter_merge.errors import NotFinite
from adapter_merge.plan import AdapterTensor, Edit, Layers, Load, PlannedTensor
from adapter_merge.streaming.adapter_tensors import AdapterReader, WithLayers, torch_dtype
from adapter_merge.streaming.chunks import Chunk, Copied, row_blocks, rows_of
from adapter_merge.streaming.output import OutputFile
from adapter_merge.weights import copy_span, read_span, write_span

if TYPE_CHECKING:
    import torch

    from adapter_merge.plan import Apply

# Blocks this small stay in the cache from the product to the rounding; whole tensors take ten times as long.
_BLOCK_BYTES = 1 << 20
_BLOCK_ROWS = (64, 256)
KEPT_EDITS = 8  # edits whose adapter tensors stay in memory
KEPT_SHARED = 4  # tensors that several edits share: two for each parameter of experts


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """The last few edits whose adapter tensors are in memory, and PEFT's layers, shared by the workers."""

    reader: AdapterReader
    layers: Layers = field(default_factory=dict)
    applies: OrderedDict[str, Apply] = field(default_factory=OrderedDict)
    shared: OrderedDict[AdapterTensor, torch.Tensor] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def get(self, edit: Edit) -> Apply:
        """The edit, ready to be applied; chunks come in order, so few edits are at work at a time."""
        with self.lock:
            if edit.target not in self.applies:
                load = WithLayers(read=self._keeping(edit.shares), layers=self.layers)
                self.applies[edit.target] = edit.prepare(load)
                if len(self.applies) > KEPT_EDITS:
                    self.applies.popitem(last=False)
            return self.applies[edit.target]

    def _keeping(self, shares: tuple[AdapterTensor, ...]) -> Load:
        """Reads that keep the last few tensors which other edits need whole as well."""

        def load(wanted: AdapterTensor, rows: slice | None = None) -> torch.Tensor:
            if rows is not None or wanted not in shares:
                return self.reader.load(wanted, rows)
            if wanted not in self.shared:
                self.shared[wanted] = self.reader.load(wanted)
            self.shared.move_to_end(wanted)
            if len(self.shared) > KEPT_SHARED:
                self.shared.popitem(last=False)
            return self.shared[wanted]

        return load


class Worker:
    """Handles chunks; not to be shared by threads."""

    def __init__(self, base: Mapping[str, int], prepared: Prepared, device: str) -> None:
        self._base = base
        self._prepared = prepared
        self._device = device
        self._bytes: dict[str, bytearray] = {}
        self._floats: dict[str, torch.Tensor] = {}

    def handle(self, chunk: Chunk, output: OutputFile) -> None:
        """Bring one chunk into the output file."""
        if isinstance(chunk, Copied):
            count = chunk.stop - chunk.start
            source = self._base[chunk.file]
            copy_span(source, output.fd, count, chunk.offset, chunk.start, name=chunk.file)
        else:
            result = self._compute(chunk.tensor, chunk.rows)
            write_span(output.fd, result, chunk.start, name=output.name)
        output.finish(chunk.start, chunk.stop)

    def _compute(self, tensor: PlannedTensor, rows: slice) -> memoryview:
        """The rows of a tensor that is edited or cast, in its output dtype."""
        count = rows.stop - rows.start
        columns = tensor.info.size // rows_of(tensor)
        source = self._read(tensor, rows)
        target_bytes = self._buffer("target", count * columns * BITS[tensor.info.dtype] // 8)
        target = _matrix(target_bytes, tensor.info.dtype, columns)
        apply = self._prepared.get(tensor.edit) if tensor.edit is not None else None
        whole = tensor.edit is not None and not tensor.edit.by_rows
        for block in row_blocks(slice(0, count), count if whole else block_rows(columns)):
            size = block.stop - block.start
            values = self._matrix("values", tensor, size, columns)
            if source is not None:
                values.copy_(source[block])
            if apply is not None:
                scratch = self._matrix("scratch", tensor, size, columns)
                there = slice(rows.start + block.start, rows.start + block.stop)
                apply(values, there, scratch)
            _check_range(values, tensor)
            target[block].copy_(values)
        return target_bytes

    def _read(self, tensor: PlannedTensor, rows: slice) -> torch.Tensor | None:
        """The same rows of the base; None where the edit doesn't look at them."""
        base = tensor.base
        if base is None or (tensor.edit is not None and not tensor.edit.reads_base):
            return None
        row_bytes = base.info.nbytes // rows_of(tensor)
        buffer = self._buffer("source", (rows.stop - rows.start) * row_bytes)
        offset = base.info.start + rows.start * row_bytes
        read_span(self._base[base.file], buffer, offset, name=base.file)
        return _matrix(buffer, base.info.dtype, tensor.info.size // rows_of(tensor))

    def _buffer(self, use: str, size: int) -> memoryview:
        if len(self._bytes.get(use, b"")) < size:
            self._bytes[use] = bytearray(size)
        return memoryview(self._bytes[use])[:size]

    def _matrix(self, use: str, tensor: PlannedTensor, rows: int, columns: int) -> torch.Tensor:
        """A view of kept memory in the dtype that the tensor is computed in."""
        import torch

        dtype = torch.float64 if tensor.wide else torch.float32
        kept = self._floats.get(use)
        if kept is None or kept.dtype != dtype or kept.numel() < rows * columns:
            kept = self._floats[use] = torch.empty(rows * columns, dtype=dtype, device=self._device)
        return kept[: rows * columns].view(rows, columns)


def _matrix(buffer: memoryview, dtype: str, columns: int) -> torch.Tensor:
    import torch

    return torch.frombuffer(buffer, dtype=torch_dtype(dtype)).view(-1, columns)


def block_rows(columns: int) -> int:
    """Rows that are computed at a time."""
    fewest, most = _BLOCK_ROWS
    return min(max(_BLOCK_BYTES // (columns * 4), fewest), most)


def _check_range(values: torch.Tensor, tensor: PlannedTensor) -> None:
    """Test a block while it is hot: NaN, infinity, and what the output dtype can't hold."""
    import torch

    low, high = (float(v) for v in torch.aminmax(values))
    most = torch.finfo(torch_dtype(tensor.info.dtype)).max
    if -most <= low and high <= most:
        return
    if tensor.edit is None and not (isfinite(low) and isfinite(high)):
        # The base's own NaN or infinity is cast as it is, and a check reports it; the rest must fit.
        rest = values[torch.isfinite(values)]
        if not rest.numel() or float(rest.abs().max()) <= most:
            return
    raise NotFinite(
        f"`{tensor.info.name}` gets a value that {tensor.info.dtype} can't hold ({low:g} to {high:g})",
        hint="Keep a wider dtype with `--dtype fp32`, or check the adapter's scale.",
    )
