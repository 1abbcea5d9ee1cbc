"""Changes where file and model cut their tensors otherwise: of some rows, of one expert, of a piece.

The file holds as one tensor what the model has as several (`Wqkv`), or as several what the model has as one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from adapter_merge.adapters.contribution import Contribution, Step
from adapter_merge.checkpoint import Piece, TensorInfo
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


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpertStep:
    """A step on one expert of a stacked tensor (experts, rows, `columns`), which takes that expert whole."""

    inner: Step
    expert: int
    columns: int
    replaces: ClassVar[bool] = False
    by_rows: ClassVar[bool] = True

    @property
    def uses(self) -> tuple[AdapterTensor, ...]:
        """What the inner step uses."""
        return self.inner.uses

    def prepare(self, load: Load, *, compute: torch.dtype) -> Apply:
        """See `Step`."""
        apply = self.inner.prepare(load, compute=compute)

        def on_expert(block: torch.Tensor, rows: slice, scratch: torch.Tensor) -> None:
            if rows.start <= self.expert < rows.stop:
                own, spare = (t[self.expert - rows.start] for t in (block, scratch))
                matrix = own.view(-1, self.columns)
                apply(matrix, slice(0, matrix.shape[0]), spare.view(-1, self.columns))

        return on_expert

    def recompute(self, base: Array, rows: slice, load: Load64) -> Array:
        """See `Step`."""
        if not rows.start <= self.expert < rows.stop:
            return base
        result = base.copy()
        own = result[self.expert - rows.start].reshape(-1, self.columns)
        changed = self.inner.recompute(own, slice(0, own.shape[0]), load)
        result[self.expert - rows.start] = changed.reshape(-1)
        return result


def in_rows(
    contribution: Contribution,
    part: TensorInfo,
    rows: slice,
    *,
    expert: int | None = None,
    label: str,
) -> Contribution:
    """The contribution to a tensor of which `part`, that it means, is the rows `rows`, or those of an expert.

    Raises:
        UnsupportedError: it would replace the rows, or is no delta of a LoRA for an expert's; `label` is the
            adapter.
    """
    if contribution.shape is not None:
        raise UnsupportedError(
            f"`{label}` saved `{contribution.need.name}` whole, and the base holds it as rows of a larger "
            "tensor: only a delta is added there",
            hint="Train it as a delta: without that module in `modules_to_save`, and with `bias` at `none`.",
        )
    if expert is not None and contribution.cut is None:
        raise UnsupportedError(
            f"`{label}` changes `{contribution.need.name}`, and the base holds all experts as one tensor: only a "
            "LoRA's delta is added to one of them",
            hint="Name a base with `--base` whose file holds each expert by its number.",
        )

    def make(_whole: TensorInfo | None) -> Step:
        step = RowsStep(inner=contribution.make(part), start=rows.start, stop=rows.stop)
        if expert is None:
            return step
        return ExpertStep(inner=step, expert=expert, columns=part.shape[-1])

    return replace(contribution, make=make)


def in_piece(
    contribution: Contribution, live: TensorInfo, piece: Piece, *, label: str
) -> Contribution:
    """The contribution to a tensor of the file that is a piece of `live`, the one that it means.

    Raises:
        UnsupportedError: its change of the piece alone can't be told; `label` is the adapter.
    """
    step = contribution.cut(live, piece) if contribution.cut is not None else None
    if step is None:
        raise UnsupportedError(
            f"`{label}` changes `{live.name}`, which transformers makes from `{piece.tensor}` and others of the "
            "file: only a LoRA's delta is cut into theirs",
            hint="Merge it with PEFT: `merge_and_unload`, then `save_pretrained`; `adapter-merge check` "
            "looks at what comes out.",
        )
    found = step
    return replace(contribution, make=lambda _info: found)
