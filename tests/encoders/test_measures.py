"""Each measure on numbers that can be checked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from adapter_merge.encoders import measures
from adapter_merge.encoders.compare import compare, towers
from adapter_merge.encoders.rows import Floats, Outputs, Rows, pack, unpack
from adapter_merge.probed import Shape


def _of(*rows: list[float]) -> Floats:
    return np.array(rows, dtype=np.float32)


def test_lengths() -> None:
    assert measures.length(_of([3, 4], [0, 1])) == 3
    assert measures.length(_of([3, 4], [0, 1]), _of([0, 0], [0, 0])) == 3
    assert measures.length(_of([3, 4]), _of([3, 4])) == 0


def test_cosines() -> None:
    found = measures.cosines(
        _of([1, 0], [2, 0], [0, 0], [1, 1]), _of([1, 0], [-1, 0], [0, 0], [1, 0])
    )
    assert list(found) == pytest.approx([1, -1, 1, math.sqrt(0.5)])


def test_norms_and_logits() -> None:
    assert measures.norm(_of([2, 0], [1, 0]), _of([1, 0], [1, 0])) == 1
    assert measures.same_top(_of([1, 2], [1, 2]), _of([0, 5], [5, 0])) == 0.5
    half, most = _of([0, 0]), _of([math.log(3), 0])
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert measures.divergence(half, most) == pytest.approx(expected)
    assert measures.divergence(most, most) == pytest.approx(0, abs=1e-9)


NEVER = -math.inf


@pytest.mark.parametrize(
    ("merged", "equal"),
    [
        ([3.0, NEVER, 1.0], True),
        ([3.0, 1.0, NEVER], False),
        ([3.0, 0.0, 1.0], False),
        ([NEVER, NEVER, 1.0], False),
        ([3.0, math.inf, 1.0], False),
        ([1.0, NEVER, 3.0], False),
    ],
)
def test_a_token_that_the_class_never_says(merged: list[float], equal: bool) -> None:
    """Minus infinity counts as equal where all states have it; the finite numbers are compared."""
    right, base = Rows.single(_of([3, NEVER, 1])), Rows.single(_of([2, NEVER, 2]))
    states = {
        "base": base,
        "reference": right,
        "rounded": right,
        "merged": Rows.single(_of(merged)),
    }
    (found,), _ = compare({s: {"text.logits": rows} for s, rows in states.items()})
    assert found.effect > 0.1
    assert (found.gap == 0) is equal
    if equal:
        assert (found.kl, found.top, found.cosine) == (0, 1, 1)


def test_late_interaction() -> None:
    queries = Rows(values=_of([1, 0], [0, 1], [2, 0]), counts=np.array([2, 1]))
    pages = Rows(values=_of([1, 0], [0, 3], [1, 1]), counts=np.array([2, 1]))
    assert measures.maxsim(queries, pages).tolist() == [[4, 2], [2, 2]]


def test_overlap_of_the_best() -> None:
    one, other = _of([3, 2, 1, 0], [0, 1, 2, 3]), _of([3, 1, 2, 0], [0, 1, 2, 3])
    assert measures.overlap(one, other, 2) == 0.75


@pytest.mark.parametrize(
    ("columns", "top"), [(1, None), (2, 0), (3, 0), (4, 0), (6, 0), (10, 0), (12, 0)]
)
def test_the_best_are_never_all(columns: int, top: float | None) -> None:
    """A merged model that ranks texts the other way round is seen, however few they are."""
    vectors = _of(*([1.0, float(n)] for n in range(columns)))
    best, worst = (
        {"query.pooled": Rows.single(_of([1, 0])), "text.pooled": Rows.single(v)}
        for v in (vectors, vectors[::-1].copy())
    )
    states: dict[str, Outputs] = dict.fromkeys(("base", "reference", "rounded"), best)
    found, _ = compare({**states, "merged": worst})
    assert [d.top for d in found if d.derived] == [top]


def _states(**values: Rows) -> dict[str, dict[str, Rows]]:
    return {state: {"text.logits": rows} for state, rows in values.items()}


def test_a_distance_has_every_measure() -> None:
    base, reference = Rows.single(_of([1, 0])), Rows.single(_of([1, 2]))
    rounded, merged = Rows.single(_of([1, 1.5])), Rows.single(_of([1, 1]))
    states = _states(base=base, reference=reference, rounded=rounded, merged=merged)
    (found,), misfits = compare(states)
    size = math.sqrt(5)
    assert misfits == {}
    assert found.effect == pytest.approx(2 / size)
    assert found.gap == pytest.approx(0.5 / size)
    assert (found.error, found.rounding) == (0.5, 0.25)
    assert found.lost == pytest.approx(0.25)
    assert found.cosine == pytest.approx(3 / math.sqrt(10))
    assert found.norm == pytest.approx(1 - math.sqrt(2) / size)
    assert found.top == 0


def test_cosines_are_told_by_input() -> None:
    reference = Rows(values=_of([1, 0], [1, 0], [0, 1]), counts=np.array([2, 1]))
    merged = Rows(values=_of([1, 0], [0, 1], [0, 1]), counts=np.array([2, 1]))
    states = _states(base=reference, reference=reference, rounded=reference, merged=merged)
    (found,), _ = compare(states)
    assert list(found.cosines) == [0, 1]
    assert list(found.base_cosines) == [1, 1]
    assert found.cosine == 0


def test_how_far_the_adapter_moves_each_input_is_told_too() -> None:
    base = Rows(values=_of([0, 1], [1, 0], [0, 1]), counts=np.array([2, 1]))
    reference = Rows(values=_of([1, 0], [1, 0], [0, 1]), counts=np.array([2, 1]))
    states = _states(base=base, reference=reference, rounded=reference, merged=reference)
    (found,), _ = compare(states)
    assert list(found.base_cosines) == [0, 1]
    assert list(found.cosines) == [1, 1]


def test_groups_that_can_not_be_compared_are_told() -> None:
    one, other = Rows.single(_of([1, 0])), Rows.single(_of([1, 0, 0]))
    states = _states(base=one, reference=one, rounded=one, merged=other)
    states["merged"]["page.logits"] = one
    distances, misfits = compare(states)
    assert distances == ()
    assert misfits == {
        "text.logits": (Shape(counts=(1,), width=2), Shape(counts=(1,), width=3)),
        "page.logits": (None, Shape(counts=(1,), width=2)),
    }


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_reaches_every_measure(value: float) -> None:
    good, bad = Rows.single(_of([1, 0], [1, 2])), Rows.single(_of([1, 0], [1, value]))
    (found,), _ = compare(_states(base=good, reference=good, rounded=good, merged=bad))
    assert not any(map(math.isfinite, (found.gap, found.error, found.norm)))
    assert found.effect == 0
    for name in ("base", "reference"):
        states = dict.fromkeys(("base", "reference", "rounded", "merged"), good)
        (found,), _ = compare(_states(**{**states, name: bad}))
        assert not math.isfinite(found.effect)


def test_nothing_to_compare_is_no_effect() -> None:
    none = Rows(values=np.zeros((0, 4), dtype=np.float32), counts=np.array([0, 0]))
    flat = Rows.single(np.zeros((2, 0), dtype=np.float32))
    for rows in (none, flat):
        (found,), misfits = compare(_states(base=rows, reference=rows, rounded=rows, merged=rows))
        assert misfits == {}
        assert (found.effect, found.gap, found.norm, found.cosine) == (0, 0, 0, 1)
        assert (found.kl, found.top) == (None, None)
    assert measures.maxsim(Rows.single(_of([1, 0])), none).tolist() == [[0, 0]]


def test_a_tower_moves_what_it_reaches() -> None:
    reference, without = Rows.single(_of([3, 4])), Rows.single(_of([3, 3]))
    states = {"reference": {"page.vectors": reference}, "without:vision": {"page.vectors": without}}
    assert towers(states) == {"vision": 0.2}
    states["without:vision"]["query.vectors"] = states["reference"]["query.vectors"] = reference
    assert towers(states) == {"vision": 0.2}
    states["without:vision"]["query.vectors"] = Rows.single(_of([3, math.nan]))
    assert math.isnan(towers(states)["vision"])


def test_rows_survive_a_file() -> None:
    mask = np.array([[True, True], [True, False]])
    values = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    rows = Rows.of(values, mask, zeroed=True)
    assert (rows.counts.tolist(), rows.masked) == ([2, 1], 7)
    found = unpack(pack("merged", {"text.hidden": rows}), "merged")
    assert found["text.hidden"].values.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert found["text.hidden"].masked == 7


def test_padding_that_is_not_a_number_counts_as_padding() -> None:
    values = np.array([[[1], [math.nan]]], dtype=np.float32)
    mask = np.array([[True, False]])
    assert Rows.of(values, mask, zeroed=True).masked == math.inf
    assert math.isnan(Rows.of(values, mask).masked)


def test_arrays_that_are_no_rows_are_refused() -> None:
    arrays = pack("merged", {"text.hidden": Rows.single(_of([1, 2]))})
    arrays["merged|text.hidden|counts"] = np.array([5])
    with pytest.raises(ValueError, match="isn't an array of rows"):
        unpack(arrays, "merged")
