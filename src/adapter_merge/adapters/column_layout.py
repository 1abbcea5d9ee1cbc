"""Statistics on `lora_B` of fused experts that tell how its columns are ordered.

`lora_B` (out, rank * experts) holds the factors of all experts. Its columns are `rank-major` where column
`k * experts + e` belongs to expert `e` (PEFT's own layout), and `grouped-by-expert` where column `e * rank + k`
does (Unsloth before September 2026). Columns of one expert are trained on the same tokens, so their squared
cosines are above those of columns of two experts. Columns with the same rank index can look alike too, so the
statistic compares column pairs of equal distance, and a guard rules that explanation out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix: TypeAlias = npt.NDArray[np.floating[Any]]

ColumnLayout: TypeAlias = Literal["rank-major", "grouped-by-expert"]
LAYOUTS: tuple[ColumnLayout, ...] = ("rank-major", "grouped-by-expert")

# All thresholds come from 148 files of 30 training runs of tiny mixtures (8, 32 and 128 experts, rank 2 to 32),
# each in both layouts, and from 880 adversaries made of the same factors. None of these readings was wrong.
_DECIDES, _DENIES = 6.0, 3.0  # z of the layout that is right, and at most of the other
_GUARD = 0.5  # share of the coherence inside experts that pairs with another cause may have
_SHARED = 1e-5  # largest relative difference of columns that all experts share
_ORTHOGONAL, _COHERENT = (
    0.01,
    0.3,
)  # mean squared cosine times the number of rows, after an SVD and before
_FEWEST_EXPERTS = 8  # below, the spread over experts is no measure of chance
_MOST = 50.0  # a single tensor's t counts as no more


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnStatistics:
    """Statistics of one `lora_B`; pairs are in the order of `LAYOUTS`."""

    experts: int
    shared: tuple[bool, bool]
    inside: tuple[float, float]
    t: tuple[float, float]
    halves: tuple[float, float]
    guards: tuple[float | None, float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What the columns of some `lora_B` say about their layout.

    Attributes:
        layout: the layout that they show; None where they show none.
        reason: the statistic that decided, for messages; empty without one.
        unguarded: the layout that z shows where the guard has no pairs (the number of experts divides the rank).
    """

    layout: ColumnLayout | None
    reason: str = ""
    unguarded: ColumnLayout | None = None


def evidence(tensors: Iterable[ColumnStatistics | None]) -> Evidence:
    """Judge the statistics of some `lora_B`."""
    found = [t for t in tensors if t is not None]
    if not found:
        return Evidence(layout=None)
    for place, layout in enumerate(LAYOUTS):
        other = 1 - place
        if any(t.shared[place] for t in found) and not any(t.shared[other] for t in found):
            return Evidence(layout=layout, reason="all experts share the same columns")
    inside = [sum(t.inside[place] for t in found) / len(found) for place in range(2)]
    for place, layout in enumerate(LAYOUTS):
        if inside[place] < _ORTHOGONAL and inside[1 - place] > _COHERENT:
            return Evidence(layout=layout, reason="the columns of each expert are orthogonal")
    return _by_coherence(found)


def _by_coherence(found: Sequence[ColumnStatistics]) -> Evidence:
    known = [t for t in found if t.experts >= _FEWEST_EXPERTS]
    if not known:
        return Evidence(layout=None)
    z = [sum(t.t[place] for t in known) / len(known) ** 0.5 for place in range(2)]
    for place, layout in enumerate(LAYOUTS):
        if z[place] <= _DECIDES or z[1 - place] >= _DENIES:
            continue
        reason = (
            f"columns of one expert are alike (z = {z[place]:.1f}, {z[1 - place]:.1f} otherwise)"
        )
        guards = [g for t in known if (g := t.guards[place]) is not None]
        if len(guards) < len(known):
            return Evidence(layout=None, reason=reason, unguarded=layout)
        if sum(guards) < _GUARD * sum(t.halves[place] for t in known):
            return Evidence(layout=layout, reason=reason)
    return Evidence(layout=None)


def column_statistics(b: Matrix, experts: int) -> ColumnStatistics | None:
    """The statistics of one `lora_B` (out, rank * experts).

    None where they tell nothing: of one expert, of rank 1, of zeros, and of values that are not finite.
    """
    import numpy as np

    rows, columns = b.shape
    rank = columns // experts
    if experts == 1 or rank == 1 or not b.any() or not np.isfinite(b).all():
        return None
    norms = np.linalg.norm(b, axis=0)
    unit = (b / np.where(norms > 0, norms, 1)).T
    # (experts, rank, rows): the columns of each expert under each layout.
    readings = (
        unit.reshape(rank, experts, rows).transpose(1, 0, 2),
        unit.reshape(experts, rank, rows),
    )
    halves = [_halves(reading) for reading in readings]
    step = rank % experts or 1
    apart = (
        _mean_squared_cosine(halves[0][0], np.roll(halves[0][1], step, axis=0)),
        _mean_squared_cosine(halves[1][1][:-1], halves[1][0][1:]),
    )
    together = [_mean_squared_cosine(low, high) for low, high in halves]
    differences = (together[0] - apart[0], together[1][:-1] - apart[1])
    return ColumnStatistics(
        experts=experts,
        shared=(
            _is_constant(b.reshape(rows, rank, experts), axis=2),
            _is_constant(b.reshape(rows, experts, rank), axis=1),
        ),
        inside=tuple(_inside(reading) * rows for reading in readings),
        t=(_t(differences[0]), _t(differences[1])),
        halves=(float(together[0].mean()), float(together[1].mean())),
        guards=_guards(unit, experts, rank),
    )


def _halves(reading: Matrix) -> tuple[Matrix, Matrix]:
    half = reading.shape[1] // 2
    return reading[:, :half], reading[:, half:]


def _mean_squared_cosine(one: Matrix, other: Matrix) -> Matrix:
    """For each expert, of all pairs between two sets of unit vectors (experts, vectors, rows)."""
    squares: Matrix = (one @ other.transpose(0, 2, 1)) ** 2
    means: Matrix = squares.mean(axis=(1, 2))
    return means


def _inside(reading: Matrix) -> float:
    """Of all pairs of different columns of an expert."""
    rank = reading.shape[1]
    squares = (reading @ reading.transpose(0, 2, 1)) ** 2
    diagonal = squares.diagonal(axis1=1, axis2=2).sum()
    return float((squares.sum() - diagonal) / (reading.shape[0] * rank * (rank - 1)))


def _is_constant(values: Matrix, *, axis: int) -> bool:
    import numpy as np

    spread = values.max(axis=axis) - values.min(axis=axis)
    return bool(spread.max() <= _SHARED * np.abs(values).max())


def _t(differences: Matrix) -> float:
    """Mean over standard error, cut to +-50."""
    import numpy as np

    mean = float(differences.mean())
    error = float(differences.std(ddof=1)) / len(differences) ** 0.5 if len(differences) > 1 else 0
    if error == 0:
        return 0.0 if mean == 0 else float(np.copysign(_MOST, mean))
    return float(np.clip(mean / error, -_MOST, _MOST))


def _guards(unit: Matrix, experts: int, rank: int) -> tuple[float | None, float | None]:
    """Mean squared cosine of pairs that are alike only if columns of one rank index are.

    For rank-major these are columns (j, j + rank), for grouped-by-expert columns (j, j + 1) of two experts.
    None where there are no such pairs.
    """
    import numpy as np

    if rank % experts == 0:
        return None, None
    major = np.einsum("ij,ij->i", unit[:-rank], unit[rank:]) ** 2
    last = np.arange(
        rank - 1, len(unit) - 1, rank
    )  # the last column of each block but the last one
    last = last[(last + 1) % experts != 0]
    if not len(last):
        return float(major.mean()), None
    grouped = np.einsum("ij,ij->i", unit[last], unit[last + 1]) ** 2
    return float(major.mean()), float(grouped.mean())
