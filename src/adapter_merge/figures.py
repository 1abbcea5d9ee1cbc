"""Figures as people write them, and foreign text that does no harm: sizes, shares, guessed times, long names."""

from __future__ import annotations

import math


def nbytes(count: int) -> str:
    """A size in powers of 1000: `91.2 MB`."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def about(count: int) -> str:
    """A size that is only guessed, with two digits that count: `260 MB`."""
    least = 10 ** max(len(str(count)) - 2, 0)
    return nbytes(round(count / least) * least).replace(".0 ", " ")


def percent(share: float) -> str:
    """A share of 1 with two digits that count: `0.57 %`, `12 %`, `3.1e-05 %`."""
    if not math.isfinite(share):
        return "not a number"
    value = 100 * share
    digits = ".0f" if 10 <= value < 1e6 else ".2g"
    return f"{value:{digits}} %"


def at_least(share: float) -> str:
    """A share of 1, rounded down, so that 100 % is all of it: `100 %`, `99.9 %`."""
    return f"{math.floor(1000 * share) / 10:g} %" if math.isfinite(share) else "not a number"


def cosine(value: float) -> str:
    """A cosine with as many digits as tell it from 1, at most nine: `0.61`, `0.999998`, `1`."""
    if math.isnan(value):
        return "not a number"
    apart = 1 - max(min(value, 1.0), -1.0)
    if round(apart, 9) == 0:
        return "1"
    return f"{1 - apart:.{min(max(math.ceil(-math.log10(apart)), 2), 9)}f}"


def guessed(seconds: float) -> str:
    """A time that nobody measured, no finer than such a guess is."""
    if seconds < 10:
        return "some seconds"
    if seconds < 55:
        return f"about {math.ceil(seconds / 10) * 10} s"
    if seconds < 55 * 60:
        return f"about {math.ceil(seconds / 60)} min"
    return f"about {math.ceil(seconds / 3600)} h"


def number(value: float) -> str:
    """A number without a fraction that says nothing: `16`, `0.5`."""
    return f"{value:g}"


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun: `1 file`, `7 files`."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def printable(text: str) -> str:
    """Strangers name files and tensors: what would steer a terminal or break a page is shown, not sent."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def middle(text: str, limit: int) -> str:
    """Text whose middle is left out where it is too long: a path is known by both its ends."""
    if len(text) <= limit:
        return text
    end = (limit - 1) * 2 // 3
    return f"{text[: limit - 1 - end]}…{text[-end:]}"
