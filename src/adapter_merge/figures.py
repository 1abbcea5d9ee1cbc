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
