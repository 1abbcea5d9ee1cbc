"""Which colour a value has, and the numbers below the ramp."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from adapter_merge.pages.scale import STEPS, Scale


@pytest.mark.parametrize(
    ("values", "low", "high", "logarithmic"),
    [
        ([0.01, 0.013], 0, 0.02, False),
        ([0.0, 0.05], 0, 0.05, False),
        ([0.0], 0, 1, False),
        ([], 0, 1, False),
        ([0.0006, 0.03], 0.0005, 0.05, True),
        ([0.001, 0.1], 0.001, 0.1, True),
        ([5e-324, 1e300], 1e-9, 1e9, True),
    ],
)
def test_a_scale_ends_at_round_numbers(
    values: list[float], low: float, high: float, logarithmic: bool
) -> None:
    scale = Scale.of(values)
    assert (scale.low, scale.high, scale.logarithmic) == (low, high, logarithmic)


@pytest.mark.parametrize("values", [[0.01, 0.02], [1e-5, 0.3], [0.0], [1e-30, 1e30]])
def test_more_is_never_a_lower_step(values: list[float]) -> None:
    scale = Scale.of(values)
    steps = [scale.step(10**exponent) for exponent in range(-40, 40)]
    assert steps == sorted(steps)
    assert {0, STEPS - 1} <= set(steps) <= set(range(STEPS))
    assert scale.step(0.0) == 0
    assert scale.step(1e308) == STEPS - 1


def test_equal_ratios_are_equal_ways_on_a_logarithmic_scale() -> None:
    scale = Scale.of([0.001, 1.0])
    assert [round(scale.at(v), 6) for v in (0.001, 0.01, 0.1, 1.0)] == [0, 0.333333, 0.666667, 1]


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.02], (0, 0.005, 0.01, 0.015, 0.02)),
        ([0.05], (0, 0.01, 0.02, 0.03, 0.04, 0.05)),
        ([0.005, 0.2], (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)),
        ([0.001, 1.0], (0.001, 0.01, 0.1, 1.0)),
    ],
)
def test_ticks_are_few_round_numbers(values: list[float], ticks: tuple[float, ...]) -> None:
    assert Scale.of(values).ticks == pytest.approx(ticks)


@pytest.mark.parametrize("decades", [2, 3, 5, 9, 18])
def test_ticks_never_touch(decades: int) -> None:
    scale = Scale.of([10**-decades * 0.6, 1.0])
    places = [scale.at(tick) for tick in scale.ticks]
    assert places[0] == 0
    assert places[-1] == 1
    assert min(b - a for a, b in pairwise(places)) > 0.08
    assert all(math.isfinite(tick) for tick in scale.ticks)
