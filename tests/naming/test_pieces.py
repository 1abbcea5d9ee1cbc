"""Which tensors of a file cover a live one, each exactly once."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from adapter_merge.checkpoint import Piece, TensorInfo
from adapter_merge.naming.pieces import pieces, rows_inside
from adapter_merge.skeleton import Joint, Place

Shape = tuple[int, ...]
Made = dict[str, tuple[Place, TensorInfo]]


def joint(expert: int | None, part: int = 0, parts: int = 1, axis: int | None = None) -> Joint:
    return Joint(expert=expert, part=part, parts=parts, axis=axis)


def made(found: Mapping[str, tuple[Joint | None, Shape]], *, turns: bool = False) -> Made:
    return {
        n: (
            Place(live=("live",), stored=n, converter="some", joint=j, turns=turns),
            TensorInfo(name=n, dtype="F32", shape=shape, start=0, stop=0),
        )
        for n, (j, shape) in found.items()
    }


def at(tensor: str, expert: int | None, start: int, stop: int, *, turned: bool = False) -> Piece:
    return Piece(tensor=tensor, expert=expert, rows=slice(start, stop), turned=turned)


PAIR = made({"a": (joint(0), (4, 3)), "b": (joint(1), (4, 3))})
HALVES = made({
    "a": (joint(0, 0, 2, 1), (4, 3)), "b": (joint(0, 1, 2, 1), (6, 3)),
    "c": (joint(1, 0, 2, 1), (4, 3)), "d": (joint(1, 1, 2, 1), (6, 3)),
})  # fmt: skip
FLAT = made({"a": (joint(None, 0, 2, 0), (4, 3)), "b": (joint(None, 1, 2, 0), (6, 3))})
STACKS = made({"a": (joint(None, 0, 2, 1), (2, 4, 3)), "b": (joint(None, 1, 2, 1), (2, 6, 3))})
TURNED = made({"a": (None, (2, 3, 4))}, turns=True)


@pytest.mark.parametrize(
    ("shape", "found", "expected"),
    [
        ((2, 4, 3), PAIR, (at("a", 0, 0, 4), at("b", 1, 0, 4))),
        ((2, 10, 3), HALVES,
         (at("a", 0, 0, 4), at("b", 0, 4, 10), at("c", 1, 0, 4), at("d", 1, 4, 10))),
        ((10, 3), FLAT, (at("a", None, 0, 4), at("b", None, 4, 10))),
        ((2, 10, 3), STACKS, (at("a", None, 0, 4), at("b", None, 4, 10))),
        ((2, 4, 3), TURNED, (at("a", None, 0, 4, turned=True),)),
    ],
    ids=["stacked", "stacked halves", "halves", "halves of stacks", "turned"],
)  # fmt: skip
def test_pieces_cover_the_live_tensor(
    shape: Shape, found: Made, expected: tuple[Piece, ...]
) -> None:
    assert pieces(shape, found) == expected


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ((3, 4, 3), PAIR),
        ((1, 4, 3), PAIR),
        ((2, 5, 3), PAIR),
        ((8, 3), PAIR),
        ((2, 9, 3), HALVES),
        ((2, 10, 3), {n: HALVES[n] for n in "abc"}),
        ((2, 10, 3), FLAT),
        ((10, 3), STACKS),
        ((10,), FLAT),
        ((2, 3, 4), TURNED),
        ((2, 4, 3), made({"a": (None, (2, 4, 3))})),
        ((2, 4, 3), {**PAIR, "c": PAIR["b"]}),
        ((2, 4, 3), {**PAIR, **made({"b": (None, (4, 3))})}),
        ((2, 4, 3), made({"a": (joint(0), (4, 3)), "b": (joint(1), ())})),
        ((2, 10, 3), made({n: (joint(i, 0, 1, 0), (10, 3)) for i, n in enumerate("ab")})),
    ],
)
def test_anything_else_has_no_pieces(shape: Shape, found: Made) -> None:
    assert pieces(shape, found) == ()


@pytest.mark.parametrize(
    ("where", "shape", "expected"),
    [
        (joint(1, 1, 2, 1), (2, 8, 3), slice(4, 8)),
        (joint(1), (2, 8, 3), slice(0, 8)),
        (joint(None, 1, 2, 0), (8, 3), slice(4, 8)),
        (joint(2), (2, 8, 3), None),
        (joint(0, 0, 2, 1), (2, 7, 3), None),
        (joint(0, 0, 2, 2), (2, 8, 3), None),
        (joint(0), (8, 3), None),
        (joint(None, 0, 2, 1), (2, 8, 3), None),
    ],
)
def test_the_rows_of_a_part(where: Joint, shape: Shape, expected: slice | None) -> None:
    assert rows_inside(where, shape) == expected
