"""The picture: how far each layer and kind of module moved, as one SVG."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from markupsafe import Markup

from adapter_merge.figures import counted, percent
from adapter_merge.pages.grid import Grid
from adapter_merge.pages.layout import draw
from adapter_merge.pages.render import environment, style


def picture(changes: Mapping[str, float]) -> Markup:
    """An SVG of relative changes (tensor -> ||dW|| / ||W||), to be a file or part of a page."""
    grid = Grid.of(changes)
    return Markup(  # noqa: S704 - the template escapes every value
        environment()
        .get_template("changes.svg.jinja")
        .render(
            drawing=draw(grid),
            about=_about(grid),
            left_out=grid.left_out,
            style=style("picture.css"),
        )
    )


def _about(grid: Grid) -> str:
    """The picture in words, for those who don't see it."""
    values = grid.values
    if not values:
        return "No tensor has a figure."
    ends = (
        f"{percent(min(values))} to {percent(max(values))}, {percent(median(values))} in the median"
    )
    parts = [f"{counted(len(values), 'figure')}: {ends}."]
    parts += [
        f"{stack.name}: "
        + ", ".join(f"{row.kind} {percent(row.middle)}" for row in stack.rows)
        + " in the median."
        for stack in grid.stacks
    ]
    if grid.left_out:
        parts.append(f"{counted(grid.left_out, 'tensor')} not shown.")
    return " ".join(parts)
