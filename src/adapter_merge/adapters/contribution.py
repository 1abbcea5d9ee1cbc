"""What one adapter does to one tensor, before and after the tensor is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from adapter_merge.adapters.factors import FusedFactors
from adapter_merge.checkpoint import Piece, TensorInfo
from adapter_merge.plan import AdapterTensor, Need

if TYPE_CHECKING:
    import torch

    from adapter_merge.plan import Apply, Array, Load, Load64


class Step(Protocol):
    """One change of one tensor by one adapter; several of them make an edit.

    `replaces` says that the values before don't matter; `by_rows`, `prepare` and `recompute` are as in
    `plan.Edit`, but that a step adds to, or overwrites, what the steps before it left.
    """

    @property
    def uses(self) -> tuple[AdapterTensor, ...]: ...  # noqa: D102
    @property
    def replaces(self) -> bool: ...  # noqa: D102
    @property
    def by_rows(self) -> bool: ...  # noqa: D102

    def prepare(self, load: Load, *, compute: torch.dtype) -> Apply:
        """Load what is needed; `compute` is the dtype of the blocks."""
        ...

    def recompute(self, base: Array, rows: slice, load: Load64) -> Array:
        """The second route, in float64."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Contribution:
    """One adapter's wish for one tensor.

    Attributes:
        need: the tensor, under the adapter's names.
        shape: shape that the tensor gets where the contribution replaces or adds it, else None.
        saved: whether the adapter may add the tensor, or give it other rows (a saved module or a head).
        make: the step for the tensor that naming found; None stands for an added tensor.
        optional: whether it is left out where the base has no such tensor.
        token_rows: the rows that it overwrites, where it is about single tokens.
        cut: its step for a tensor of the file that is a piece of the one that is meant; None where it can't be
            told, as for a contribution without it.
        fused: the factors of a parameter (`target_parameters`), whose reading may be in doubt; None for others.
    """

    need: Need
    shape: tuple[int, ...] | None
    saved: bool
    make: Callable[[TensorInfo | None], Step]
    optional: bool = False
    token_rows: tuple[int, ...] = ()
    cut: Callable[[TensorInfo, Piece], Step | None] | None = None
    fused: FusedFactors | None = None
