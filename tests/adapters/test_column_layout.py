"""Statistics on the columns of `lora_B`: what they decide, and on which factors they stay silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

from adapter_merge.adapters.column_layout import (
    LAYOUTS,
    ColumnLayout,
    Evidence,
    column_statistics,
    evidence,
)

ROWS = 48
Experts: TypeAlias = npt.NDArray[np.float64]  # (experts, ROWS, rank)


def alike(draw: np.random.Generator, experts: int, rank: int) -> Experts:
    """Columns of one expert share a direction, as training makes them."""
    own = draw.standard_normal((experts, ROWS, rank))
    return own + 1.5 * draw.standard_normal((experts, ROWS, 1))


def noise(draw: np.random.Generator, experts: int, rank: int) -> Experts:
    return draw.standard_normal((experts, ROWS, rank))


def of_one_norm(draw: np.random.Generator, experts: int, rank: int) -> Experts:
    """Each expert has a norm of its own, and nothing else in common."""
    return noise(draw, experts, rank) * np.exp(draw.standard_normal((experts, 1, 1)))


def by_rank(draw: np.random.Generator, experts: int, rank: int) -> Experts:
    """Columns of one rank index are alike, as if every expert had started from the same factors."""
    own = draw.standard_normal((experts, ROWS, rank))
    return own + 1.5 * draw.standard_normal((1, ROWS, rank))


def refactored(draw: np.random.Generator, experts: int, rank: int) -> Experts:
    """The factors of an SVD: the columns of each expert are orthogonal."""
    shared = draw.standard_normal((1, ROWS, rank))
    own = shared + 0.4 * draw.standard_normal((experts, ROWS, rank))
    return np.stack([np.linalg.qr(b)[0] for b in own])


def shared(draw: np.random.Generator, experts: int, rank: int) -> Experts:
    """All experts have the same columns."""
    return np.repeat(draw.standard_normal((1, ROWS, rank)), experts, axis=0)


def judged(
    make: Callable[[np.random.Generator, int, int], Experts],
    layout: ColumnLayout,
    experts: int = 16,
    rank: int = 6,
) -> Evidence:
    draw = np.random.default_rng(3)
    order = (1, 2, 0) if layout == "rank-major" else (1, 0, 2)
    tensors = [make(draw, experts, rank) for _ in range(8)]
    flat = [b.transpose(order).reshape(ROWS, experts * rank) for b in tensors]
    return evidence(column_statistics(b.astype(np.float32), experts) for b in flat)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("make", [alike, refactored, shared])
def test_the_layout_that_trained_the_factors_is_found(
    make: Callable[[np.random.Generator, int, int], Experts], layout: ColumnLayout
) -> None:
    found = judged(make, layout)
    assert found.layout == layout
    assert found.reason


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("experts", "rank"), [(16, 4), (8, 3), (12, 16), (40, 7)])
def test_other_sizes(experts: int, rank: int, layout: ColumnLayout) -> None:
    assert judged(alike, layout, experts, rank).layout == layout


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("make", [noise, of_one_norm, by_rank])
def test_what_looks_alike_for_another_reason_decides_nothing(
    make: Callable[[np.random.Generator, int, int], Experts], layout: ColumnLayout
) -> None:
    assert judged(make, layout).layout is None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_where_the_experts_divide_the_rank_the_columns_alone_do_not_decide(
    layout: ColumnLayout,
) -> None:
    found = judged(alike, layout, experts=8, rank=16)
    assert (found.layout, found.unguarded) == (None, layout)


@pytest.mark.parametrize(("experts", "rank"), [(1, 6), (16, 1), (4, 6)])
def test_too_few_experts_or_one_layout_only(experts: int, rank: int) -> None:
    assert judged(alike, "rank-major", experts, rank) == Evidence(layout=None)


def test_factors_that_are_zero_or_not_finite_say_nothing() -> None:
    for value in (0.0, np.nan):
        tensor = np.full((ROWS, 96), value, dtype=np.float32)
        assert column_statistics(tensor, 16) is None
    assert evidence([None]) == Evidence(layout=None)
