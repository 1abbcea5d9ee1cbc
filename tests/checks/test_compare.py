"""The bounds: a right merge is within them, a wrong one isn't, for our own results and for others'."""

from __future__ import annotations

import numpy as np
import pytest

from adapter_merge.checks.compare import Bound, EditLook, compare, joined
from adapter_merge.floats import rounded

DTYPES = ["F16", "BF16", "F32", "F64"]


def look(dtype: str, *, ratio: float, factor: float = 1.0, foreign: bool = False) -> EditLook:
    """A merge of a delta of `ratio` times the weight's size, taken `factor` times."""
    random = np.random.default_rng(0)
    base = rounded(random.standard_normal((64, 256)), dtype)
    delta = random.standard_normal((64, 256)) * ratio
    stored = rounded(base + factor * delta, dtype)
    bound = Bound(dtype=dtype, exact=False, foreign=foreign)
    return compare(base, base + delta, stored, bound=bound, row=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("ratio", [1e-6, 1e-3, 1.0, 100.0])
def test_right_merge_is_within(dtype: str, foreign: bool, ratio: float) -> None:
    assert look(dtype, ratio=ratio, foreign=foreign).excess <= 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("factor", [0.0, 0.5, 0.9, 1.1, 2.0])
def test_wrong_scale_is_outside(dtype: str, factor: float) -> None:
    assert look(dtype, ratio=1e-3, factor=factor).excess > 1


@pytest.mark.parametrize("factor", [0.0, 0.5, 2.0])
def test_average_shows_what_two_eps_hide(factor: float) -> None:
    random = np.random.default_rng(0)
    base = rounded(random.standard_normal((64, 256)), "BF16")
    delta = base * random.uniform(-5e-3, 5e-3, base.shape)
    stored = rounded(base + factor * delta, "BF16")
    bound = Bound(dtype="BF16", exact=False, foreign=True)
    seen = compare(base, base + delta, stored, bound=bound, row=0)
    assert seen.excess < 1
    assert seen.gain is not None
    assert abs(seen.gain - 1) > 0.2


def test_ratio_is_the_median() -> None:
    assert look("F32", ratio=0.01).ratio == pytest.approx(0.01, rel=0.1)
    assert look("F32", ratio=0.0).ratio is None


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_compared_stays_as_it_is(dtype: str) -> None:
    random = np.random.default_rng(0)
    given = [rounded(random.standard_normal((8, 32)), dtype) for _ in range(3)]
    kept = [values.copy() for values in given]
    compare(*given, bound=Bound(dtype=dtype, exact=False, foreign=False), row=0)
    assert all(map(np.array_equal, given, kept))


def test_no_number_is_as_wrong_as_it_can_be() -> None:
    ones = np.ones((2, 2))
    bound = Bound(dtype="BF16", exact=False, foreign=False)
    for broken in (np.nan, np.inf):
        stored = ones.copy()
        stored[1, 0] = broken
        seen = compare(ones, ones + 0.5, stored, bound=bound, row=4)
        assert (seen.excess, seen.row) == (1e9, 5)


def test_exact_takes_no_excuse() -> None:
    ones = np.ones((2, 2))
    bound = Bound(dtype="F32", exact=True, foreign=False)
    assert compare(ones, ones, ones, bound=bound, row=0).excess == 0
    near = ones + 2.0**-23
    assert compare(ones, ones, near, bound=bound, row=0).excess > 1


def test_zero_equals_zero() -> None:
    zero = np.zeros((2, 2))
    for dtype in DTYPES:
        bound = Bound(dtype=dtype, exact=False, foreign=False)
        assert compare(zero, zero, zero, bound=bound, row=0).excess == 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_bad_value_is_outside(bad: float) -> None:
    ones = np.ones((4, 2))
    stored = ones.copy()
    stored[2, 1] = bad
    bound = Bound(dtype="BF16", exact=False, foreign=True)
    seen = compare(ones, ones, stored, bound=bound, row=10)
    assert (seen.excess > 1, seen.row) == (True, 12)


def test_cancelled_products_are_allowed_their_rounding() -> None:
    # W is 0 and the delta nearly cancels: what float32 leaves is large beside both.
    base, reference = np.zeros((1, 2)), np.array([[1e-9, 1.0]])
    stored = np.array([[1e-7, 1.0]])
    bound = Bound(dtype="F32", exact=False, foreign=False)
    assert compare(base, reference, stored, bound=bound, row=0).excess < 1


def test_joined_keeps_the_worst_and_sums() -> None:
    good, bad = look("BF16", ratio=1e-2), look("BF16", ratio=1e-2, factor=2.0)
    both = joined([good, bad])
    assert both.excess == bad.excess
    assert both.elements == good.elements + bad.elements
    assert both.gain == pytest.approx(1.5, abs=0.05)
