"""Pairs of LoRA factors that belong to several experts at once.

PEFT's layer for a parameter (experts, d1, d2) keeps the factors of all experts in two tensors: A (experts * rank,
inputs) and B (outputs, rank * experts). The rows of A are ordered by expert; the order of the columns of B depends
on the program that trained them. Source: peft `tuners/lora/layer.py`, `ParamWrapper`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from adapter_merge.adapters.column_layout import LAYOUTS, ColumnLayout
from adapter_merge.plan import AdapterTensor


class Reading(NamedTuple):
    """Layout of B's columns, and whether an expert's delta is the transposed product."""

    layout: ColumnLayout
    transposed: bool

    def __str__(self) -> str:
        return f"{self.layout}, {'transposed' if self.transposed else 'direct'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Factors:
    """The factors of all experts of one parameter: `rank` for each of `experts`.

    `square`: the shapes fit both orientations.
    """

    a: AdapterTensor
    b: AdapterTensor
    scale: float
    experts: int
    rank: int
    layout: ColumnLayout = "rank-major"
    square: bool = False

    def readings(self, *, transposed: bool) -> Iterator[Reading]:
        """All readings that the shapes allow; `transposed` is the orientation of those that are not square."""
        for layout in LAYOUTS:
            for orientation in (False, True) if self.square else (transposed,):
                yield Reading(layout, orientation)

    def rows_of_a(self, expert: int) -> slice:
        """The rows of A that belong to an expert."""
        return slice(expert * self.rank, (expert + 1) * self.rank)

    def columns_of_b(self, expert: int) -> slice:
        """The columns of B that belong to an expert."""
        if self.layout == "grouped-by-expert":
            return self.rows_of_a(expert)
        return slice(expert, None, self.experts)


@dataclass(frozen=True, kw_only=True, slots=True)
class FusedFactors:
    """The factors of a parameter, and which parameter it is.

    Attributes:
        module, parameter: the module by the adapter's names, and its parameter.
        outputs, inputs: rows of B and columns of A.
        transposed: whether a square parameter gets the transposed product; the shapes of others decide.
    """

    module: str
    parameter: str
    factors: Factors
    outputs: int
    inputs: int
    transposed: bool = False

    @property
    def name(self) -> str:
        """The parameter's whole name."""
        return f"{self.module}.{self.parameter}"

    @property
    def is_square(self) -> bool:
        """Whether the shapes leave the orientation open."""
        return self.factors.square

    def is_transposed(self, shape: tuple[int, ...]) -> bool | None:
        """Whether a parameter of that shape gets the transposed product; None where the factors do not fit.

        A parameter of two dimensions, or of one expert, is always (outputs, inputs): PEFT adds the product itself.
        """
        direct = (self.outputs, self.inputs)
        if len(shape) == 2:
            return False if self.factors.experts == 1 and shape == direct else None
        if len(shape) != 3 or shape[0] != self.factors.experts:
            return None
        if shape[1:] == direct:
            return self.transposed if self.is_square else False
        return True if shape[1:] == direct[::-1] and self.factors.experts > 1 else None
