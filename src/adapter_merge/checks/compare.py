"""Numbers of an edited tensor: how far it is from its float64 reference, and how much it was changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adapter_merge.floats import FORMATS, Array, half_ulp, rounded

# Bounds of float32 arithmetic. Each addition to W costs half an ulp of the sum; the product B @ A
# costs up to r roundings of its largest terms, for which the largest delta nearby stands.
_OF_SUM = 2.0**-22
_OF_PRODUCT = 2.0**-18
_OF_FLOAT64 = 2.0**-40
_MOST_RATIOS = 512  # values that one comparison adds to the median
_CAP = 1e9  # stands for infinity, which JSON doesn't know


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """How far a stored value may be from the reference.

    Attributes:
        dtype: of the file that is judged.
        exact: nothing is computed: the reference, rounded, must stand there.
        foreign: another program merged: two eps instead of one rounding.
    """

    dtype: str
    exact: bool
    foreign: bool

    def allowed(self, base: Array, reference: Array, delta: Array) -> Array:
        """The largest |stored - reference| for each element; `delta` is |reference - base|."""
        size = np.abs(base)
        largest = float(delta.max(initial=0.0))
        if self.dtype == "F64":
            arithmetic = _OF_FLOAT64 * (size + largest)
        else:
            arithmetic = size + delta
            arithmetic *= _OF_SUM
            arithmetic += _OF_PRODUCT * largest
        if self.foreign:
            return 2 * FORMATS[self.dtype].eps * np.maximum(size, delta) + arithmetic
        arithmetic += half_ulp(reference, self.dtype)
        return arithmetic


@dataclass(frozen=True, kw_only=True, slots=True)
class EditLook:
    """What a comparison of sampled rows says.

    Attributes:
        elements: how many were compared.
        excess: worst |stored - reference| over what is allowed; above 1 is an error (1e9 at most).
        row: where the worst one is.
        moved: elements that the edit changes before rounding.
        expected: elements that differ from the base after rounding.
        swing: sums of (step taken * step expected) and (step expected squared), rounding included.
        ratios: samples of |delta| / |W|, where W isn't 0.
        squares: sums of delta squared and of W squared.
        other_reading: the reading of fused experts that explains the values; empty where the planned one does.
        error: how far PEFT's layers' merges are from their unmerged outputs (`Layer.error`); None without one.
    """

    elements: int
    excess: float
    row: int
    moved: int
    expected: int
    swing: tuple[float, float]
    ratios: tuple[float, ...]
    squares: tuple[float, float]
    error: float | None = None
    other_reading: str = ""

    @property
    def relative_change(self) -> float | None:
        """Frobenius norm of the delta over that of W, before rounding; None where W is 0."""
        delta, base = self.squares
        return float(np.sqrt(delta / base)) if base > 0 and np.isfinite(delta / base) else None

    @property
    def ratio(self) -> float | None:
        """Median of |delta| / |W|; None where no sample has a delta."""
        return float(np.median(self.ratios)) if self.ratios and self.moved else None

    @property
    def gain(self) -> float | None:
        """How much of the expected step was taken: 1 right, 0 none, 2 twice; None without a step."""
        taken, expected = self.swing
        return taken / expected if expected > 0 and np.isfinite(taken) else None


def compare(base: Array, reference: Array, stored: Array, *, bound: Bound, row: int) -> EditLook:
    """Compare rows of one tensor, each (rows, columns) in float64; `row` is the number of the first.

    Whole tensors come through here: what is made on the way is used again in place.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        goal = rounded(reference, bound.dtype)
        delta = reference - base
        np.abs(delta, out=delta)
        if bound.exact:
            excess = np.where(stored == goal, 0.0, _CAP)
        else:
            excess = _excess(base, reference, stored, delta, bound)
        step = goal - base
        taken = stored - base
        taken *= step
        worst = int(excess.argmax()) if excess.size else 0
        return EditLook(
            elements=stored.size,
            excess=float(excess.flat[worst]) if excess.size else 0.0,
            row=row + worst // max(stored.shape[1], 1),
            moved=int(np.count_nonzero(delta)),
            expected=int(np.count_nonzero(step)),
            # Not `vdot`: its threads would fight with those that call this.
            swing=(float(taken.sum()), float((step * step).sum())),
            ratios=_ratios(base, delta),
            squares=(float((delta * delta).sum()), float((base * base).sum())),
        )


def _excess(base: Array, reference: Array, stored: Array, delta: Array, bound: Bound) -> Array:
    ratio = stored - reference
    np.abs(ratio, out=ratio)
    ratio /= bound.allowed(base, reference, delta)
    return np.fmin(ratio, _CAP, out=ratio)  # a NaN counts as the most, too


def _ratios(base: Array, delta: Array) -> tuple[float, ...]:
    step = max(1, base.size // _MOST_RATIOS)
    size, change = np.abs(base.ravel()[::step]), delta.ravel()[::step]
    return tuple((change[size > 0] / size[size > 0]).tolist())


def joined(looks: Sequence[EditLook]) -> EditLook:
    """All comparisons of one tensor as one."""
    worst = max(looks, key=lambda look: look.excess)
    return EditLook(
        elements=sum(look.elements for look in looks),
        excess=worst.excess,
        row=worst.row,
        moved=sum(look.moved for look in looks),
        expected=sum(look.expected for look in looks),
        swing=_sums([look.swing for look in looks]),
        ratios=tuple(ratio for look in looks for ratio in look.ratios),
        squares=_sums([look.squares for look in looks]),
    )


def _sums(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(one for one, _ in pairs), sum(other for _, other in pairs)
