"""The arithmetic: low-rank deltas, bias deltas and replacements, and the edit that chains them.

PEFT computes `B @ A` in float32, multiplies by the scale, adds the weight and rounds once to the
weight's dtype. The steps do the same on blocks of rows, and give the same bits as long as no block has
fewer than 16 rows and both sides run on one thread. The scale is never folded into B, and `addmm` is
never used: both round differently. Source: peft `tuners/lora/layer.py`, `get_delta_weight`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, ClassVar

from adapter_merge.adapters.contribution import Step
from adapter_merge.adapters.experts import OneExpert, Stacked
from adapter_merge.adapters.layer_step import layer_steps
from adapter_merge.plan import AdapterTensor, LayerTensor

if TYPE_CHECKING:
    import torch

    from adapter_merge.plan import Apply, Array, Load, Load64

_FEW_OUTPUTS = 16  # below, a matrix product over part of the columns may round differently


@dataclass(frozen=True, kw_only=True, slots=True)
class LowRank:
    """`W += scale * B @ A` for A (rank, in), B (out, rank) and W (out, in).

    `transposed`: W is (in, out) and gets the transposed product (`Conv1D` of GPT-2, embeddings).
    """

    a: AdapterTensor
    b: AdapterTensor
    scale: float
    outputs: int
    transposed: bool
    replaces: ClassVar[bool] = False

    @property
    def uses(self) -> tuple[AdapterTensor, ...]:
        """Both factors."""
        return (self.a, self.b)

    @property
    def by_rows(self) -> bool:
        """Rows of a transposed weight are columns of the product."""
        return not self.transposed or self.outputs >= _FEW_OUTPUTS

    def prepare(self, load: Load, *, compute: torch.dtype) -> Apply:
        """See `Step`."""
        import torch

        a, b, scale = load(self.a).to(compute), load(self.b).to(compute), self.scale

        def rows_of_product(block: torch.Tensor, rows: slice, scratch: torch.Tensor) -> None:
            torch.mm(b[rows], a, out=scratch)
            block.add_(scratch.mul_(scale))

        def columns_of_product(block: torch.Tensor, rows: slice, _scratch: torch.Tensor) -> None:
            block.add_(torch.mm(b, a[:, rows]).mul_(scale).T)

        return columns_of_product if self.transposed else rows_of_product

    def recompute(self, base: Array, rows: slice, load: Load64) -> Array:
        """See `Step`."""
        a, b = load(self.a), load(self.b)
        delta = a[:, rows].T @ b.T if self.transposed else b[rows] @ a
        return base + self.scale * delta


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvLowRank:
    """A convolution's delta, for A (rank, in, *kernel), B (out, rank, 1...) and W (out, in, *kernel)."""

    a: AdapterTensor
    b: AdapterTensor
    scale: float
    replaces: ClassVar[bool] = False
    by_rows: ClassVar[bool] = False

    @property
    def uses(self) -> tuple[AdapterTensor, ...]:
        """Both factors."""
        return (self.a, self.b)

    def prepare(self, load: Load, *, compute: torch.dtype) -> Apply:
        """See `Step`."""
        from torch.nn import functional

        a, b = load(self.a).to(compute), load(self.b).to(compute)
        convolve = {3: functional.conv1d, 4: functional.conv2d, 5: functional.conv3d}[a.ndim]
        if a.ndim == 4 and a.shape[2:] == (1, 1):
            delta = (b[:, :, 0, 0] @ a[:, :, 0, 0])[:, :, None, None] * self.scale
        else:
            delta = convolve(a.transpose(0, 1), b).transpose(0, 1) * self.scale
        flat = delta.reshape(delta.shape[0], -1)

        def add(block: torch.Tensor, rows: slice, _scratch: torch.Tensor) -> None:
            block.add_(flat[rows])

        return add

    def recompute(self, base: Array, rows: slice, load: Load64) -> Array:
        """See `Step`."""
        a, b = load(self.a), load(self.b)
        rank = a.shape[0]
        return base + self.scale * (b.reshape(-1, rank)[rows] @ a.reshape(rank, -1))


@dataclass(frozen=True, kw_only=True, slots=True)
class BiasDelta:
    """`bias += scale * delta` for the bias that LoRA's B has of its own (`lora_bias`)."""

    delta: AdapterTensor
    scale: float
    replaces: ClassVar[bool] = False
    by_rows: ClassVar[bool] = True

    @property
    def uses(self) -> tuple[AdapterTensor, ...]:
        """The bias of B."""
        return (self.delta,)

    def prepare(self, load: Load, *, compute: torch.dtype) -> Apply:
        """See `Step`."""
        delta = load(self.delta).to(compute) * self.scale

        def add(block: torch.Tensor, rows: slice, _scratch: torch.Tensor) -> None:
            block.add_(delta[rows, None])

        return add

    def recompute(self, base: Array, rows: slice, load: Load64) -> Array:
        """See `Step`."""
        return base + self.scale * load(self.delta)[rows, None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Replacement:
    """The adapter's tensor takes the place of the base's, or is added.

    `beside`: spare copies in the adapter's file, which count as used and are never read.
    """

    tensor: AdapterTensor
    beside: tuple[AdapterTensor, ...] = ()
    replaces: ClassVar[bool] = True
    by_rows: ClassVar[bool] = True

    @property
    def uses(self) -> tuple[AdapterTensor, ...]:
        """The saved tensor and its copies."""
        return (self.tensor, *self.beside)

    def prepare(self, load: Load, *, compute: torch.dtype) -> Apply:
        """See `Step`."""

        def replace(block: torch.Tensor, rows: slice, _scratch: torch.Tensor) -> None:
            # Read block by block: a saved embedding can be larger than all memory that a merge needs.
            block.copy_(load(self.tensor, rows).reshape(block.shape))

        return replace

    def recompute(self, base: Array, rows: slice, load: Load64) -> Array:
        """See `Step`."""
        return load(self.tensor, rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorEdit:
    """All steps that adapters take on one tensor, in order; implements `plan.Edit`.

    `wide`: the blocks are float64, not float32.
    """

    target: str
    steps: tuple[Step, ...]
    wide: bool

    @property
    def uses(self) -> tuple[AdapterTensor, ...]:
        """What all steps use."""
        return tuple(t for s in self.steps for t in s.uses)

    @property
    def shares(self) -> tuple[AdapterTensor, ...]:
        """What steps of other edits may use too."""
        natively = [s for s in self.steps if isinstance(s, Stacked | OneExpert)]
        layered = [layer for s in self.steps for layer in layer_steps(s)]
        return tuple(t for s in (*natively, *layered) for t in s.shares)

    @property
    def layers(self) -> tuple[LayerTensor, ...]:
        """PEFT's layers that the steps go through."""
        return tuple(layer.layer for s in self.steps for layer in layer_steps(s))

    @property
    def reads_base(self) -> bool:
        """Whether the base's values enter."""
        return not self.steps[0].replaces

    @property
    def by_rows(self) -> bool:
        """Whether every step works on blocks of rows."""
        return all(s.by_rows for s in self.steps)

    @property
    def other_readings(self) -> Mapping[str, TensorEdit]:
        """See `plan.Edit`; all fused steps are read in the same other way."""
        fused = [s for s in self.steps if isinstance(s, Stacked | OneExpert)]
        readings = {r for s in fused for r in s.readings} - {s.reading for s in fused}
        return {
            str(reading): replace(
                self,
                steps=tuple(
                    s.read_as(reading) if isinstance(s, Stacked | OneExpert) else s
                    for s in self.steps
                ),
            )
            for reading in sorted(readings, key=str)
        }

    def prepare(self, load: Load) -> Apply:
        """See `plan.Edit`."""
        import torch

        compute = torch.float64 if self.wide else torch.float32
        applies = [s.prepare(load, compute=compute) for s in self.steps]

        def apply(block: torch.Tensor, rows: slice, scratch: torch.Tensor) -> None:
            for one in applies:
                one(block, rows, scratch)

        return apply

    def recompute(self, base: Array, rows: slice, load: Load64) -> Array:
        """See `plan.Edit`."""
        return reduce(lambda value, step: step.recompute(value, rows, load), self.steps, base)
