"""Relative changes by stack, kind and layer: what the picture shows, before it has a size."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

from adapter_merge.modules import seat

# A stranger's names decide how much there is; `report.json` has every figure.
_STACKS, _KINDS, _LAYERS, _BESIDE = 8, 60, 512, 24

Figures: TypeAlias = Mapping[str, float]  # tensor -> relative change


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One kind of module in one stack; `cells` has the tensors of each layer that was changed."""

    kind: str
    cells: Mapping[int, Figures]

    @property
    def middle(self) -> float:
        """The median of all its figures."""
        return median(value for cell in self.cells.values() for value in cell.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """One list of layers, from layer 0 to the last that was changed."""

    name: str
    layers: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """All figures that can be drawn.

    Attributes:
        stacks: in the order of their names.
        beside: tensors outside of every stack.
        left_out: how many tensors there are beyond what a picture can hold, or without a finite figure.
    """

    stacks: tuple[Stack, ...]
    beside: Figures
    left_out: int

    @classmethod
    def of(cls, changes: Figures) -> Grid:
        """Sort the figures into rows and columns."""
        found: dict[str, dict[str, dict[int, dict[str, float]]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(dict))
        )
        beside = {}
        for tensor, value in changes.items():
            place = seat(tensor)
            if not math.isfinite(value):
                continue
            if place.layer is None:
                beside[tensor] = value
            elif place.layer < _LAYERS:
                found[place.stack][place.kind][place.layer][tensor] = value
        stacks = tuple(_stack(name, found[name]) for name in sorted(found)[:_STACKS])
        shown = dict(sorted(beside.items())[:_BESIDE])
        drawn = len(shown) + sum(len(c) for s in stacks for r in s.rows for c in r.cells.values())
        return cls(stacks=stacks, beside=shown, left_out=len(changes) - drawn)

    @property
    def values(self) -> tuple[float, ...]:
        """Every figure, one a cell."""
        cells = (cell for stack in self.stacks for row in stack.rows for cell in row.cells.values())
        return (*(median(cell.values()) for cell in cells), *self.beside.values())


def _stack(name: str, kinds: Mapping[str, Mapping[int, Figures]]) -> Stack:
    rows = tuple(Row(kind=kind, cells=kinds[kind]) for kind in sorted(kinds)[:_KINDS])
    return Stack(name=name, layers=1 + max(max(row.cells) for row in rows), rows=rows)
