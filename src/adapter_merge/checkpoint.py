"""Tensors as safetensors headers describe them: names, dtypes, shapes, byte ranges, files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

# Bits an element, for every dtype of the format (safetensors 0.8, `Dtype`).
BITS: Mapping[str, int] = MappingProxyType(
    {
        "F4": 4,
        "F6_E2M3": 6,
        "F6_E3M2": 6,
        "BOOL": 8,
        "U8": 8,
        "I8": 8,
        "F8_E5M2": 8,
        "F8_E4M3": 8,
        "F8_E8M0": 8,
        "F8_E4M3FNUZ": 8,
        "F8_E5M2FNUZ": 8,
        "I16": 16,
        "U16": 16,
        "F16": 16,
        "BF16": 16,
        "I32": 32,
        "U32": 32,
        "F32": 32,
        "C64": 64,
        "F64": 64,
        "I64": 64,
        "U64": 64,
    }
)

# The dtypes that a delta can be added to.
FLOATS = frozenset({"F16", "BF16", "F32", "F64"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """What a tensor of a file is of a larger one in the model, whose last dimensions are (rows, columns).

    Attributes:
        tensor: its name in the file.
        expert: the step of dimension 0 that it is of; None where it has all, or there is no such dimension.
        rows: the rows that it has.
        turned: whether its rows are the model's columns.
    """

    tensor: str
    expert: int | None
    rows: slice
    turned: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorInfo:
    """One tensor of a header; `start` and `stop` are byte offsets from the file's first byte."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.stop - self.start

    @property
    def size(self) -> int:
        """Number of elements (1 for a scalar)."""
        return math.prod(self.shape)


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightFile:
    """One safetensors file, known by its header.

    Attributes:
        name: path inside its folder, with `/`.
        size: bytes of the whole file.
        header: the file's first bytes up to its first tensor, as they stand (length prefix included).
        metadata: `__metadata__`, or None where the header has none.
        tensors: in the order of their bytes.
    """

    name: str
    size: int
    header: bytes
    metadata: Mapping[str, str] | None
    tensors: tuple[TensorInfo, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """A checkpoint's index file: which shard holds which tensor."""

    name: str
    content: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """All weights of a model: one file, or the shards that an index names.

    Attributes:
        files: the weight files, in the order of their names.
        index: the index, where there is one.
        shadowed: other weight sets that lie beside this one and were not read.
    """

    files: tuple[WeightFile, ...]
    index: Index | None
    shadowed: tuple[str, ...] = ()

    @cached_property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Every tensor by name."""
        return {t.name: t for f in self.files for t in f.tensors}

    @cached_property
    def file_of(self) -> Mapping[str, WeightFile]:
        """The file of every tensor."""
        return {t.name: f for f in self.files for t in f.tensors}

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors, headers left out (an index calls it `total_size`)."""
        return sum(t.nbytes for t in self.tensors.values())
