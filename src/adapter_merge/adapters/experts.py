"""The arithmetic for stacked parameters, such as the experts of a mixture, as a whole and expert by expert.

PEFT's layer for a parameter (experts, out, in) keeps the factors of all experts in two tensors: A (experts *
rank, in) counts the experts slowest, B (out, rank * experts) fastest. Each expert's product gives the bits
that PEFT's product of them all gives. Source: peft `tuners/lora/layer.py`, `ParamWrapper`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from adapter_merge.adapters.contribution import Step
from adapter_merge.checkpoint import Piece
from adapter_merge.plan import AdapterTensor

if TYPE_CHECKING:
    import torch

    from adapter_merge.plan import Apply, Array, Load, Load64


@dataclass(frozen=True, kw_only=True, slots=True)
class Factors:
    """The factors of all experts of one parameter: `rank` for each of `experts`."""

    a: AdapterTensor
    b: AdapterTensor
    scale: float
    experts: int
    rank: int

    def rows_of_a(self, expert: int) -> slice:
        """The rows of A that are an expert's."""
        return slice(expert * self.rank, (expert + 1) * self.rank)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stacked:
    """`W[e] += scale * B_e @ A_e` for all experts, for W (experts, out, in) and those `outputs` that it has.

    `transposed`: W is (experts, in, out). `shared`: other tensors have the other outputs.
    """

    factors: Factors
    outputs: slice
    transposed: bool
    shared: bool = False
    replaces: ClassVar[bool] = False
    by_rows: ClassVar[bool] = True

    @property
    def uses(self) -> tuple[AdapterTensor, ...]:
        """Both factors."""
        return (self.factors.a, self.factors.b)

    @property
    def shares(self) -> tuple[AdapterTensor, ...]:
        """What the other pieces of the same parameter use too."""
        return self.uses if self.shared else ()

    def prepare(self, load: Load, *, compute: torch.dtype) -> Apply:
        """See `Step`."""
        import torch

        own = self.factors
        a, b = load(own.a).to(compute), load(own.b)[self.outputs].to(compute)

        def add(block: torch.Tensor, rows: slice, scratch: torch.Tensor) -> None:
            for place, expert in enumerate(range(rows.start, rows.stop)):
                product = scratch[place].view(b.shape[0], a.shape[1])
                torch.mm(b[:, expert :: own.experts], a[own.rows_of_a(expert)], out=product)
                product.mul_(own.scale)
                delta = product.T if self.transposed else product
                block[place].view(delta.shape).add_(delta)

        return add

    def recompute(self, base: Array, rows: slice, load: Load64) -> Array:
        """See `Step`."""
        own, result = self.factors, base.copy()
        a, b = load(own.a), load(own.b, self.outputs)
        a, b = a.reshape(own.experts, own.rank, -1), b.reshape(-1, own.rank, own.experts)
        for place, expert in enumerate(range(rows.start, rows.stop)):
            delta = b[:, :, expert] @ a[expert]
            result[place] += own.scale * (delta.T if self.transposed else delta).reshape(-1)
        return result


@dataclass(frozen=True, kw_only=True, slots=True)
class OneExpert:
    """`W += scale * B_e @ A_e` for one expert's W (out, in), of which the file's tensor has those `rows`.

    `transposed`: W is (in, out).
    """

    factors: Factors
    expert: int
    rows: slice
    transposed: bool
    replaces: ClassVar[bool] = False

    @property
    def uses(self) -> tuple[AdapterTensor, ...]:
        """Both factors."""
        return (self.factors.a, self.factors.b)

    @property
    def shares(self) -> tuple[AdapterTensor, ...]:
        """What the other pieces of the same parameter use too."""
        return self.uses

    @property
    def by_rows(self) -> bool:
        """Rows of a transposed weight are columns of the product, and few of them round otherwise."""
        return not self.transposed

    def prepare(self, load: Load, *, compute: torch.dtype) -> Apply:
        """See `Step`."""
        import torch

        own = self.factors
        a = load(own.a, own.rows_of_a(self.expert)).to(compute)
        # Whole, so that all pieces can share what was read: an expert has some columns of each row.
        b = load(own.b)[:, self.expert :: own.experts].to(compute)

        def rows_of_product(block: torch.Tensor, rows: slice, scratch: torch.Tensor) -> None:
            torch.mm(b[self.rows][rows], a, out=scratch)
            block.add_(scratch.mul_(own.scale))

        def columns_of_product(block: torch.Tensor, _rows: slice, _scratch: torch.Tensor) -> None:
            block.add_(torch.mm(b, a[:, self.rows]).mul_(own.scale).T)

        return columns_of_product if self.transposed else rows_of_product

    def recompute(self, base: Array, rows: slice, load: Load64) -> Array:
        """See `Step`."""
        own, first = self.factors, self.rows.start
        wanted = slice(first + rows.start, first + rows.stop)
        a = load(own.a, slice(own.rank * self.expert, own.rank * (self.expert + 1)))
        b = load(own.b) if self.transposed else load(own.b, wanted)
        b = b.reshape(-1, own.rank, own.experts)[:, :, self.expert]
        delta: Array = a[:, wanted].T @ b.T if self.transposed else b @ a
        return base + own.scale * delta


def of_piece(factors: Factors, piece: Piece, *, transposed: bool) -> Step | None:
    """The step on a piece of a parameter, which is (.., in, out) where `transposed`; None where there is none."""
    if piece.expert is None and factors.experts > 1:
        if transposed and not piece.turned:
            return None
        swapped = transposed != piece.turned
        shared = not piece.turned
        return Stacked(factors=factors, outputs=piece.rows, transposed=swapped, shared=shared)
    if piece.turned:
        return None
    expert = piece.expert or 0
    return OneExpert(factors=factors, expert=expert, rows=piece.rows, transposed=transposed)
