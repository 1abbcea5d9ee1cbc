"""How much of an adapter's effect rounding to a file's dtype takes away: a prediction from its size."""

from __future__ import annotations

import math
from itertools import pairwise

from adapter_merge.floats import FORMATS

# Measured on sentence embeddings merged into bfloat16: median |delta| / |W|, and the mean error of
# the adapter's effect (0 none lost, 1 all).
_MEASURED = ((5.8e-4, 0.34), (1.75e-3, 0.09), (1.8e-2, 4e-3))


def predicted_loss(ratio: float, dtype: str) -> float:
    """The part of the effect that is lost, 0 to 1.

    `ratio` is the median of |delta| / |W|. Between the measured points, and beyond them, a straight
    line in logarithms; a dtype with k more bits than bfloat16 counts as a delta 2**k times larger.
    """
    if ratio <= 0:
        return 0.0
    gained = FORMATS[dtype].precision - FORMATS["BF16"].precision
    x = math.log(ratio) + gained * math.log(2)
    points = [(math.log(r), math.log(e)) for r, e in _MEASURED]
    (x0, y0), (x1, y1) = next(
        (pair for pair in pairwise(points) if x < pair[1][0]), (points[-2], points[-1])
    )
    return min(1.0, math.exp(y0 + (x - x0) * (y1 - y0) / (x1 - x0)))
