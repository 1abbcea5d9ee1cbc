"""A scale for relative changes: which step of the colour ramp a value has, and the numbers below the ramp."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

STEPS = 12  # colours of the ramp, as `picture.css` has them
_DECADES = 1.3  # values that span more are shown by their logarithms
_TICKS = (7, 5)  # numbers below the ramp: short ones, and those of many decades
_APART = 0.17  # of the ramp: ticks that are nearer to an end than that would touch its number
_NICE = (1, 2, 5)
_ENDS = (1e-9, 1e9)  # what lies beyond is a fault, and takes the colour of the end


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """Values from `low` to `high`, both round numbers; `low` is 0 where it isn't logarithmic."""

    low: float
    high: float
    logarithmic: bool

    @classmethod
    def of(cls, values: Sequence[float]) -> Scale:
        """The scale for some finite values that aren't negative; zeros take the first step."""
        positive = [min(max(value, _ENDS[0]), _ENDS[1]) for value in values if value > 0]
        if not positive:
            return cls(low=0, high=1, logarithmic=False)
        least, most = min(positive), max(positive)
        if math.log10(most) - math.log10(least) <= _DECADES:
            return cls(low=0, high=_above(most), logarithmic=False)
        return cls(low=_below(least), high=_above(most), logarithmic=True)

    def at(self, value: float) -> float:
        """Where a value lies, from 0 to 1."""
        if not self.logarithmic:
            return min(value / self.high, 1.0)
        if value <= self.low:
            return 0.0
        width = math.log10(self.high) - math.log10(self.low)
        return min((math.log10(value) - math.log10(self.low)) / width, 1.0)

    def step(self, value: float) -> int:
        """The colour of a value, from 0."""
        return min(int(self.at(value) * STEPS), STEPS - 1)

    @property
    def ticks(self) -> tuple[float, ...]:
        """Round numbers along the ramp, its ends among them; no more than fit below it."""
        if not self.logarithmic:
            parts = 5 if _leading(self.high) == 5 else 4
            return tuple(self.high * i / parts for i in range(parts + 1))
        found = tuple(_between(self.low, self.high, _NICE))
        if len(found) > _TICKS[0]:
            found = tuple(_between(self.low, self.high, (1,)))
            found = found[:: math.ceil(len(found) / _TICKS[1])]
        inner = (t for t in found if _APART < self.at(t) < 1 - _APART)
        return (self.low, *inner, self.high)


def _between(low: float, high: float, factors: Sequence[int]) -> Iterator[float]:
    for exponent in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for factor in factors:
            value = float(f"{factor}e{exponent}")
            if low <= value <= high:
                yield value


def _above(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    exponent = math.floor(math.log10(value))
    options = (float(f"{f}e{e}") for e in (exponent, exponent + 1) for f in _NICE)
    return next(option for option in options if option >= value)


def _below(value: float) -> float:
    exponent = math.floor(math.log10(value))
    return max(o for f in _NICE if (o := float(f"{f}e{exponent}")) <= value)


def _leading(value: float) -> int:
    return int(f"{value:e}"[0])
