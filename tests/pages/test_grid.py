"""Figures by stack, kind and layer."""

from __future__ import annotations

import math

from adapter_merge.pages.grid import Grid


def test_figures_lie_by_stack_kind_and_layer() -> None:
    grid = Grid.of(
        {
            "model.layers.0.mlp.up.weight": 0.1,
            "model.layers.3.mlp.up.weight": 0.3,
            "model.layers.3.attn.q.weight": 0.2,
            "vision.layers.1.fc.weight": 0.4,
            "lm_head.weight": 0.5,
        }
    )
    model, vision = grid.stacks
    assert (model.name, model.layers, [row.kind for row in model.rows]) == (
        "model.layers",
        4,
        ["attn.q", "mlp.up"],
    )
    assert model.rows[1].cells == {
        0: {"model.layers.0.mlp.up.weight": 0.1},
        3: {"model.layers.3.mlp.up.weight": 0.3},
    }
    assert model.rows[1].middle == 0.2
    assert (vision.name, vision.layers) == ("vision.layers", 2)
    assert grid.beside == {"lm_head.weight": 0.5}
    assert (sorted(grid.values), grid.left_out) == ([0.1, 0.2, 0.3, 0.4, 0.5], 0)


def test_experts_share_a_cell() -> None:
    names = [f"h.1.experts.{n}.up.weight" for n in range(3)]
    grid = Grid.of(dict(zip(names, (0.1, 0.2, 0.6), strict=True)))
    ((row,),) = (stack.rows for stack in grid.stacks)
    assert set(row.cells[1]) == set(names)
    assert grid.values == (0.2,)


def test_what_has_no_room_or_no_figure_is_counted() -> None:
    many = {f"stack{s}.0.kind{k}.weight": 0.1 for s in range(12) for k in range(100)}
    odd = {"h.5000000.q.weight": 0.1, "a.weight": math.nan, "b.weight": math.inf}
    beside = {f"top{n}.weight": 0.1 for n in range(40)}
    grid = Grid.of({**many, **odd, **beside})
    assert (len(grid.stacks), {len(s.rows) for s in grid.stacks}) == (8, {60})
    assert len(grid.beside) == 24
    assert grid.left_out == 1200 + 3 + 40 - 8 * 60 - 24


def test_nothing_is_a_grid_too() -> None:
    assert Grid.of({}) == Grid(stacks=(), beside={}, left_out=0)
