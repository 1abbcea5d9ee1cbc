"""A change of some rows: the file holds as one tensor what the model has as several (`Wqkv`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from adapter_merge.adapters.contribution import Contribution, Step
from adapter_merge.checkpoint import TensorInfo
from adapter_merge.errors import UnsupportedError
from adapter_merge.plan import AdapterTensor

if TYPE_CHECKING:
    import torch

    from adapter_merge.plan import Apply, Array, Load, Load64


@dataclass(frozen=True, kw_only=True, slots=True)
class RowsStep:
    """A step on the rows `start` to `stop` of a tensor, as if they were a tensor of their own.

    The tensor is taken whole: cut elsewhere than the model cuts it, a product may round differently.
    """

    inner: Step
    start: int
    stop: int
    replaces: ClassVar[bool] = False
    by_rows: ClassVar[bool] = False

    @property
    def uses(self) -> tuple[AdapterTensor, ...]:
        """What the inner step uses."""
        return self.inner.uses

    def prepare(self, load: Load, *, compute: torch.dtype) -> Apply:
        """See `Step`."""
        apply, own = self.inner.prepare(load, compute=compute), slice(self.start, self.stop)

        def on_rows(block: torch.Tensor, _rows: slice, scratch: torch.Tensor) -> None:
            apply(block[own], slice(0, self.stop - self.start), scratch[own])

        return on_rows

    def recompute(self, base: Array, rows: slice, load: Load64) -> Array:
        """See `Step`."""
        result = base.copy()
        own = slice(self.start, self.stop)
        result[own] = self.inner.recompute(base[own], slice(0, self.stop - self.start), load)
        return result


def in_rows(
    contribution: Contribution, part: TensorInfo, rows: slice, *, label: str
) -> Contribution:
    """The contribution to a tensor of which `part`, that it means, is the rows `rows`.

    Raises:
        UnsupportedError: it would replace the rows; `label` is the adapter.
    """
    if contribution.shape is not None:
        raise UnsupportedError(
            f"`{label}` saved `{contribution.need.name}` whole, and the base holds it as rows of a larger "
            "tensor: only a delta is added there",
            hint="Train it as a delta: without that module in `modules_to_save`, and with `bias` at `none`.",
        )

    def make(_whole: TensorInfo | None) -> Step:
        return RowsStep(inner=contribution.make(part), start=rows.start, stop=rows.stop)

    return replace(contribution, make=make)
