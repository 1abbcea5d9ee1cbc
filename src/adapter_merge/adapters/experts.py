"""The arithmetic for fused experts, as a whole parameter and expert by expert.

The product of one expert's factors gives the bits that PEFT's product of all factors gives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from adapter_merge.adapters.contribution import Step
from adapter_merge.adapters.factors import Factors, Reading
from adapter_merge.checkpoint import Piece
from adapter_merge.plan import AdapterTensor

if TYPE_CHECKING:
    import torch

    from adapter_merge.plan import Apply, Array, Load, Load64


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

    @property
    def reading(self) -> Reading:
        """How the factors are read."""
        return Reading(self.factors.layout, self.transposed)

    @property
    def readings(self) -> frozenset[Reading]:
        """All readings that the shapes allow, those of a part of the outputs in one orientation."""
        return frozenset(
            r
            for r in self.factors.readings(transposed=self.transposed)
            if not self.shared or r.transposed == self.transposed
        )

    def read_as(self, reading: Reading) -> Stacked:
        """The same step with another reading."""
        factors = replace(self.factors, layout=reading.layout)
        return replace(self, factors=factors, transposed=reading.transposed)

    def prepare(self, load: Load, *, compute: torch.dtype) -> Apply:
        """See `Step`."""
        import torch

        own = self.factors
        a, b = load(own.a).to(compute), load(own.b)[self.outputs].to(compute)

        def add(block: torch.Tensor, rows: slice, scratch: torch.Tensor) -> None:
            for place, expert in enumerate(range(rows.start, rows.stop)):
                product = scratch[place].view(b.shape[0], a.shape[1])
                torch.mm(b[:, own.columns_of_b(expert)], a[own.rows_of_a(expert)], out=product)
                product.mul_(own.scale)
                delta = product.T if self.transposed else product
                block[place].view(delta.shape).add_(delta)

        return add

    def recompute(self, base: Array, rows: slice, load: Load64) -> Array:
        """See `Step`."""
        own, result = self.factors, base.copy()
        a, b = load(own.a), load(own.b, self.outputs)
        a, b = a.reshape(own.experts, own.rank, -1), _by_expert(b, own)
        for place, expert in enumerate(range(rows.start, rows.stop)):
            delta = b[expert] @ a[expert]
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
    def reading(self) -> Reading:
        """How the factors are read."""
        return Reading(self.factors.layout, self.transposed)

    @property
    def readings(self) -> frozenset[Reading]:
        """All readings that the shapes allow."""
        return frozenset(self.factors.readings(transposed=self.transposed))

    def read_as(self, reading: Reading) -> OneExpert:
        """The same step with another reading."""
        factors = replace(self.factors, layout=reading.layout)
        return replace(self, factors=factors, transposed=reading.transposed)

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
        b = load(own.b)[:, own.columns_of_b(self.expert)].to(compute)

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
        b = _by_expert(b, own)[self.expert]
        delta: Array = a[:, wanted].T @ b.T if self.transposed else b @ a
        return base + own.scale * delta


def _by_expert(b: Array, factors: Factors) -> Array:
    """B (rows, rank * experts) as (experts, rows, rank)."""
    experts, rank = factors.experts, factors.rank
    if factors.layout == "grouped-by-expert":
        return b.reshape(-1, experts, rank).transpose(1, 0, 2)
    return b.reshape(-1, rank, experts).transpose(2, 0, 1)


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
