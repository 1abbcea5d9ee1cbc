"""Where everything of the picture stands: sizes in the units of its view box."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from adapter_merge.figures import middle, percent
from adapter_merge.pages.grid import Figures, Grid, Row, Stack
from adapter_merge.pages.scale import STEPS, Scale

_WIDTH = 860  # what cells grow into
_LEGEND = 660
_LETTER = 6.7  # a letter of the rows' font
_LABEL = 40  # letters of a row's label at most
_FIGURE = 58  # the row's median, right of its cells
_ROW = 20
_CELL = (5, 28)
_TOP = 84  # above the first panel: the legend
_RAMP = 300
_LAYER = "layer"


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """Words at a point; `title` is the whole where they are cut."""

    x: float
    y: float
    words: str
    title: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A rectangle with a class of `picture.css`, and what it says when one points at it."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One stack, or what lies outside of all; `right` and `bottom` are where it ends."""

    heading: Text
    boxes: tuple[Box, ...]
    labels: tuple[Text, ...]
    figures: tuple[Text, ...]
    layers: tuple[Text, ...]
    right: float
    bottom: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """The whole picture."""

    width: float
    height: float
    ramp: tuple[Box, ...]
    ticks: tuple[Text, ...]
    panels: tuple[Panel, ...]


def draw(grid: Grid) -> Drawing:
    """Place everything."""
    scale = Scale.of(grid.values)
    panels = list(_panels(grid, scale))
    return Drawing(
        width=max([_LEGEND, *(panel.right for panel in panels)]),
        height=max([_TOP, *(panel.bottom for panel in panels)]),
        ramp=tuple(_ramp()),
        ticks=tuple(
            Text(x=round(scale.at(tick) * _RAMP, 1), y=62, words=percent(tick))
            for tick in scale.ticks
        ),
        panels=tuple(panels),
    )


def _ramp() -> Iterator[Box]:
    width = _RAMP / STEPS
    for step in range(STEPS):
        yield Box(x=step * width, y=36, width=width, height=12, style=f"s{step}", title="")


def _panels(grid: Grid, scale: Scale) -> Iterator[Panel]:
    kinds = [row.kind for stack in grid.stacks for row in stack.rows]
    label = min(max(map(len, [_LAYER, *kinds])), _LABEL) * _LETTER + 14
    y = float(_TOP)
    for stack in grid.stacks:
        least, most = _CELL
        cell = min(max((_WIDTH - label - _FIGURE) // stack.layers, least), most)
        panel = _Frame(stack=stack, scale=scale, top=y + 26, left=label, cell=cell).panel()
        yield panel
        y = panel.bottom + 18
    if grid.beside:
        yield _beside(grid.beside, scale, y)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Frame:
    """One stack and where its first cell stands."""

    stack: Stack
    scale: Scale
    top: float
    left: float
    cell: float

    def panel(self) -> Panel:
        rows = [(self.top + i * _ROW, row) for i, row in enumerate(self.stack.rows)]
        bottom = self.top + len(rows) * _ROW
        right = self.left + self.stack.layers * self.cell
        name = self.stack.name
        return Panel(
            heading=Text(x=0, y=self.top - 10, words=middle(name, 70), title=name),
            boxes=tuple(box for y, row in rows for box in self._boxes(row, y)),
            labels=tuple(
                Text(x=self.left - 8, y=y + 14, words=middle(row.kind, _LABEL), title=row.kind)
                for y, row in rows
            ),
            figures=tuple(
                Text(x=right + 8, y=y + 14, words=percent(row.middle)) for y, row in rows
            ),
            layers=tuple(self._numbers(bottom + 15)),
            right=right + _FIGURE,
            bottom=bottom + 20,
        )

    def _boxes(self, row: Row, y: float) -> Iterator[Box]:
        for layer, held in sorted(row.cells.items()):
            style = f"s{self.scale.step(median(held.values()))}"
            yield self._box(y, layer, 1, style, _about(held))
        missing = (layer for layer in range(self.stack.layers) if layer not in row.cells)
        for _, run in groupby(enumerate(missing), key=lambda pair: pair[1] - pair[0]):
            layers = [layer for _, layer in run]
            which = f"{layers[0]}" if len(layers) == 1 else f"{layers[0]} to {layers[-1]}"
            title = f"{row.kind}, layer {which}: not changed"
            yield self._box(y, layers[0], len(layers), "none", title)

    def _box(self, y: float, layer: int, count: int, style: str, title: str) -> Box:
        return Box(
            x=self.left + layer * self.cell,
            y=y,
            width=count * self.cell - 1,
            height=_ROW - 1,
            style=style,
            title=title,
        )

    def _numbers(self, y: float) -> Iterator[Text]:
        """Below the cells, as many as have room: each, or each fifth, tenth and so on."""
        yield Text(x=self.left - 8, y=y, words=_LAYER)
        room = 7 + 6 * len(f"{self.stack.layers - 1}")
        every = next(n for n in (1, 5, 10, 20, 50, 100, 500) if n * self.cell >= room)
        for layer in range(0, self.stack.layers, every):
            yield Text(x=self.left + (layer + 0.5) * self.cell, y=y, words=f"{layer}")


def _about(held: Figures) -> str:
    if len(held) == 1:
        ((tensor, value),) = held.items()
        return f"{tensor}: {percent(value)}"
    low, high = percent(min(held.values())), percent(max(held.values()))
    return f"{min(held)} and {len(held) - 1} more: {low} to {high}, {percent(median(held.values()))} in the median"


def _beside(figures: Figures, scale: Scale, y: float) -> Panel:
    """A list: a tensor without a layer has no place among columns."""
    rows = [(y + 26 + i * _ROW, name, value) for i, (name, value) in enumerate(figures.items())]
    return Panel(
        heading=Text(x=0, y=y + 16, words="outside of the layers"),
        boxes=tuple(
            Box(
                x=0,
                y=at,
                width=_CELL[1] - 1,
                height=_ROW - 1,
                style=f"s{scale.step(value)}",
                title=f"{name}: {percent(value)}",
            )
            for at, name, value in rows
        ),
        labels=(),
        figures=tuple(
            Text(
                x=_CELL[1] + 8, y=at + 14, words=f"{percent(value)}  {middle(name, 70)}", title=name
            )
            for at, name, value in rows
        ),
        layers=(),
        right=_CELL[1] + 8 + 84 * _LETTER,
        bottom=y + 26 + len(rows) * _ROW,
    )
