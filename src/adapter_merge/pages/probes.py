"""The picture of a proof: how near the result comes to base with adapter on each input, as one SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from adapter_merge.figures import cosine, counted, middle
from adapter_merge.pages.render import environment, style
from adapter_merge.proved import compared, least
from adapter_merge.receipt import COSINE_DIGITS, GroupRecord, ProbeRecord

# A receipt may be a stranger's: he decides how much there is.
_GROUPS, _INPUTS = 16, 320
_LETTERS = 22  # of a group's name, so that its figures have room beside it on a phone
_EDGE = 3  # percent of the width left of the axis, and right of it
# Heights: above all rows, of a row's words, of a lane, below a row.
_TOP, _WORDS, _LANE, _GAP = 116, 22, 7, 14
_LANES = 16  # of a row: each input has one, and further inputs share them


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One input: where the result and the base stand, in percent of the width; None where that isn't known."""

    result: float | None
    base: float | None
    y: float
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One group of outputs; `y` is the line of its words."""

    name: str
    title: str
    figure: str
    y: float
    marks: tuple[Mark, ...]
    bottom: float


def probes(record: ProbeRecord | None) -> Markup | None:
    """An SVG of `1 - cosine` for each input, to be a file or part of a page; None where nothing was compared."""
    groups = () if record is None or not record.ran else compared(record)
    if not groups:
        return None
    rows = tuple(_rows(groups[:_GROUPS]))
    drawn = [mark for row in rows for mark in row.marks]
    return Markup(  # noqa: S704 - the template escapes every value
        environment()
        .get_template("probes.svg.jinja")
        .render(
            rows=rows,
            ticks=[(_at(10.0**n), f"1e{n}" if n else "1") for n in range(-COSINE_DIGITS, 1, 3)],
            top=_TOP,
            bottom=rows[-1].bottom,
            moves=any(mark.base is not None for mark in drawn),
            left_out=sum(len(g.cosines) for g in groups) - sum(m.result is not None for m in drawn),
            about=" ".join(_about(group) for group in groups[:_GROUPS]),
            style=style("probes.css"),
        )
    )


def _rows(groups: tuple[GroupRecord, ...]) -> Iterator[Row]:
    y = float(_TOP)
    for group in groups:
        lanes = min(len(group.cosines), _LANES)
        bottom = y + _WORDS + lanes * _LANE + _GAP
        yield Row(
            name=middle(group.group, _LETTERS),
            title=group.group,
            figure=_figure(group),
            y=y + 12,
            marks=tuple(_marks(group, y + _WORDS, lanes)),
            bottom=bottom,
        )
        y = bottom


def _marks(group: GroupRecord, top: float, lanes: int) -> Iterator[Mark]:
    bases = _bases(group) or (math.nan,) * len(group.cosines)
    pairs = zip(group.cosines[:_INPUTS], bases, strict=False)
    for number, (result, base) in enumerate(pairs):
        moved = "" if math.isnan(base) else f"; of the base alone {cosine(base)}"
        yield Mark(
            result=_place(result),
            base=_place(base),
            y=top + (number % lanes + 0.5) * _LANE,
            title=f"{group.group}, input {number + 1}: cosine {cosine(result)}{moved}",
        )


def _bases(group: GroupRecord) -> tuple[float, ...]:
    """The base's cosines, where the receipt has them for each input."""
    return group.base_cosines if len(group.base_cosines) == len(group.cosines) else ()


def _place(value: float) -> float | None:
    return _at(1 - value) if math.isfinite(value) else None


def _at(apart: float) -> float:
    """Percent of the width, by the logarithm; what is less than a record has digits for stands at the left end."""
    end = 10.0**-COSINE_DIGITS
    share = 1 + math.log10(min(max(apart, end), 1.0)) / COSINE_DIGITS
    return round(_EDGE + (100 - 2 * _EDGE) * share, 2)


def _figure(group: GroupRecord) -> str:
    """The smallest cosines, of the result and of the base."""
    bases = _bases(group)
    base = f" ({cosine(least(bases))})" if bases else ""
    return f"{cosine(least(group.cosines))}{base}"


def _about(group: GroupRecord) -> str:
    """A row in words, for those who don't see it."""
    bases = _bases(group)
    base = f", of the base alone {cosine(least(bases))}" if bases else ""
    inputs = counted(len(group.cosines), "input")
    return f"{group.group}: {inputs}, smallest cosine {cosine(least(group.cosines))}{base}."
