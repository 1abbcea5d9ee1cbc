"""What a merge will do, decided before one weight is read: every file, every tensor, every byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from adapter_merge.checkpoint import TensorInfo
from adapter_merge.receipt import ExpertRecord, MethodRecord
from adapter_merge.request import LayoutName

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    Array: TypeAlias = npt.NDArray[np.float64]
    Apply: TypeAlias = Callable[[torch.Tensor, slice, torch.Tensor], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class AdapterTensor:
    """One tensor of one adapter; `adapter` counts from 0 in the order of the request."""

    adapter: int
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """A tensor that an adapter wants to change, under the adapter's own names.

    Attributes:
        module: path of the module as the adapter's file has it, without `base_model.model.`.
        parameter: `weight` or `bias`, or a longer path below the module.
        fits: whether the adapter's shapes belong to such a tensor.
        required: False for a tensor that is added where the base has none.
    """

    module: str
    parameter: str
    fits: Callable[[TensorInfo], bool]
    required: bool

    @property
    def name(self) -> str:
        """The tensor's name as the adapter's side has it."""
        return f"{self.module}.{self.parameter}" if self.module else self.parameter


class Load(Protocol):
    """Gives an adapter tensor, or some rows of it, in its own dtype."""

    def __call__(self, wanted: AdapterTensor, rows: slice | None = None) -> torch.Tensor: ...  # noqa: D102


class Load64(Protocol):
    """Gives an adapter tensor in float64: whole in its shape, or some rows as (rows, columns)."""

    def __call__(self, wanted: AdapterTensor, rows: slice | None = None) -> Array: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerTensor:
    """A tensor that one of PEFT's layers changes: the adapter's number, the module as its file has it."""

    adapter: int
    module: str
    parameter: str


class Layer(Protocol):
    """PEFT's own layer, as far as it changes one tensor; safe to be called by several threads."""

    def merge(self, value: torch.Tensor) -> torch.Tensor:
        """The merged tensor in float32 and the same shape; `value` is the whole one, and may be overwritten."""
        ...

    def error(self, before: torch.Tensor, after: torch.Tensor) -> float:
        """The second route: how far outputs of a plain layer that holds `after` are from the unmerged layer's.

        The largest difference, over the outputs' root mean square; `before` is what was merged.
        """
        ...


Layers: TypeAlias = Mapping[LayerTensor, Layer]


class HasLayers(Protocol):
    """A `Load` or `Load64` that knows the layers too."""

    def layer(self, wanted: LayerTensor) -> Layer:
        """The layer that changes a tensor."""
        ...


class Edit(Protocol):
    """What happens to one tensor of the base, or how one is added; pure.

    Attributes:
        target: name of the tensor as the base has it; the result of `--native` has another.
        uses: the adapter tensors that it consumes.
        shares: those of them that other edits may use too.
        layers: PEFT's layers that it goes through: its two functions need a `load` that has them.
        reads_base: False where the base's values don't matter (the tensor is replaced or added).
        by_rows: whether blocks of rows can be computed apart (a row is one step of dimension 0).
        other_readings: the same edit with the factors of fused experts read otherwise, by what to call each reading.
    """

    @property
    def target(self) -> str: ...  # noqa: D102
    @property
    def uses(self) -> tuple[AdapterTensor, ...]: ...  # noqa: D102
    @property
    def shares(self) -> tuple[AdapterTensor, ...]: ...  # noqa: D102
    @property
    def layers(self) -> tuple[LayerTensor, ...]: ...  # noqa: D102
    @property
    def reads_base(self) -> bool: ...  # noqa: D102
    @property
    def by_rows(self) -> bool: ...  # noqa: D102
    @property
    def other_readings(self) -> Mapping[str, Edit]: ...  # noqa: D102

    def prepare(self, load: Load) -> Apply:
        """Load what is needed once; the result edits blocks in place.

        `apply(block, rows, scratch)`: `block` holds the rows `rows` of the tensor, flattened to
        (rows, columns), in float32, or float64 where F64 goes in or comes out; `scratch` has the same shape and
        dtype and arbitrary content.
        """
        ...

    def recompute(self, base: Array, rows: slice, load: Load64) -> Array:
        """The rows `rows` of the result in float64, by a second route that shares no code with `prepare`.

        An edit with `layers` merges again there, in float32: its second route is `Layer.error`.

        `base`: the same rows of the base's tensor, flattened to (rows, columns); arbitrary where
        `reads_base` is False. Where `by_rows` is False, `rows` is the whole tensor.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseTensor:
    """A tensor of the base and the file that holds it."""

    file: str
    info: TensorInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedTensor:
    """One tensor of the result.

    Attributes:
        info: name, dtype, shape and byte range in the output file.
        base: where it comes from; None for a tensor that the adapter adds.
        edit: what changes it; None for one that is copied, or cast where the dtypes differ.
    """

    info: TensorInfo
    base: BaseTensor | None
    edit: Edit | None

    @property
    def wide(self) -> bool:
        """Whether it is computed in float64: F64 goes in or comes out."""
        return "F64" in {self.info.dtype, self.base.info.dtype if self.base else None}

    @property
    def copied(self) -> bool:
        """Whether its bytes are the base's."""
        return (
            self.edit is None and self.base is not None and self.base.info.dtype == self.info.dtype
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardPlan:
    """One weight file of the result; `header` is its beginning, `tensors` stand in byte order."""

    name: str
    header: bytes
    tensors: tuple[PlannedTensor, ...]

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.tensors[-1].info.stop if self.tensors else len(self.header)


@dataclass(frozen=True, kw_only=True, slots=True)
class SideFile:
    """A file of the result that holds no planned tensors.

    Attributes:
        path: path in the result, with `/`.
        source: the file whose bytes are copied; None where `content` is all of it.
        content: what is written: a rewritten or made file, or the beginning of a copied one.
        skip: bytes of `source` that `content` stands for.
        origin: who it comes from: `base`, the adapter as the user wrote it, or `made`.
    """

    path: str
    source: Path | None
    content: bytes | None
    size: int
    origin: str
    skip: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftBehind:
    """A file of a source that the result doesn't get, and why."""

    path: str
    size: int
    origin: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A declared change: what differs from the base on purpose (`subject`: `config.json: vocab_size`)."""

    subject: str
    before: object
    after: object
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WeighedAdapter:
    """An adapter as it was written, the factor on its scale, and how it was trained."""

    source: str
    weight: float
    method: MethodRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanWarning:
    """What makes a merge doubtful before it begins; the check `code` repeats it as a finding."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The whole merge as a value; the dry run prints it.

    Attributes:
        adapters: the adapters, in the order of their deltas.
        base: the base as it was written, or as the adapter names it.
        to: the target.
        shards: the weight files, in order.
        side_files: all other files, the index among them; not README.md and the receipt.
        adapter_tensors: every adapter tensor, as its header describes it; each is used exactly once, unless
            the edits share it.
        recipe: sha256 over settings that change bytes and the digests of what is read.
        naming: how the adapters' modules found their tensors, one sentence an adapter.
        tied: see `Base.tied`; empty where the merge unties them.
        untied: the tensors that the base ties and the result holds apart.
        experts: how the factors of fused experts were read, one a parameter.
        warnings: what makes the merge doubtful, as far as names, headers and files on this machine show.
    """

    adapters: tuple[WeighedAdapter, ...]
    base: str
    to: str
    layout: LayoutName
    dtype: str
    shards: tuple[ShardPlan, ...]
    side_files: tuple[SideFile, ...]
    left_behind: tuple[LeftBehind, ...]
    changes: tuple[Change, ...]
    adapter_tensors: Mapping[AdapterTensor, TensorInfo]
    recipe: str
    settings: Mapping[str, str]
    naming: tuple[str, ...]
    tied: tuple[str, ...]
    untied: tuple[str, ...] = ()
    experts: tuple[ExpertRecord, ...] = ()
    warnings: tuple[PlanWarning, ...] = ()

    @cached_property
    def tensors(self) -> Mapping[str, PlannedTensor]:
        """Every tensor of the result by name."""
        return {t.info.name: t for s in self.shards for t in s.tensors}

    @property
    def edits(self) -> tuple[Edit, ...]:
        """All edits, in the order of their bytes."""
        return tuple(t.edit for t in self.tensors.values() if t.edit is not None)

    def warnings_of(self, code: str) -> str:
        """What it warns of under a check's code, as one sentence; empty where it doesn't."""
        return "; ".join(w.message for w in self.warnings if w.code == code)

    @property
    def size(self) -> int:
        """Bytes of the result on disk, README.md and the receipt left out."""
        return sum(s.size for s in self.shards) + sum(f.size for f in self.side_files)

    @property
    def counts(self) -> dict[str, int]:
        """The report's counts."""
        edited = len(self.edits)
        return {
            "tensors_total": len(self.tensors),
            "tensors_edited": edited,
            "tensors_copied": len(self.tensors) - edited,
            "adapter_tensors_total": len(self.adapter_tensors),
            "adapter_tensors_used": len({tensor for e in self.edits for tensor in e.uses}),
        }
