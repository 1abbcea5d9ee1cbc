"""Tensors of a file as pieces of a live one that transformers puts together from them, and the other way."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate, product

from adapter_merge.checkpoint import Piece, TensorInfo
from adapter_merge.skeleton import Joint, Place


def pieces(
    shape: tuple[int, ...], made_from: Mapping[str, tuple[Place, TensorInfo]]
) -> tuple[Piece, ...]:
    """What each tensor of the file is of the live one; nothing unless they cover it exactly once.

    `shape` is the live tensor's.
    """
    if len(shape) not in {2, 3}:
        return ()
    if len(made_from) == 1:
        ((name, (place, info)),) = made_from.items()
        turned = place.turns and info.shape == (shape[0], *shape[:0:-1])
        whole = Piece(tensor=name, expert=None, rows=slice(0, shape[-2]), turned=True)
        return (whole,) if turned else ()
    joints = {n: place.joint for n, (place, _) in made_from.items() if place.joint is not None}
    if len(joints) < len(made_from):
        return ()
    return _joined(shape, joints, {n: info.shape for n, (_, info) in made_from.items()})


def _joined(
    shape: tuple[int, ...], joints: Mapping[str, Joint], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[Piece, ...]:
    first = next(iter(joints.values()))
    stacked = first.expert is not None and len(shape) == 3
    experts: tuple[int | None, ...] = tuple(range(shape[0])) if stacked else (None,)
    places = {(j.expert, j.part): n for n, j in joints.items()}
    wanted = set(product(experts, range(first.parts)))
    axis = len(shape) - 2 if first.parts > 1 else None
    laid = {j.axis for j in joints.values()} == {axis}
    if places.keys() != wanted or len(joints) != len(wanted) or not laid:
        return ()
    before = () if stacked else shape[:-2]
    heights = [_height(shapes[places[experts[0], p]]) for p in range(first.parts)]
    starts = [0, *accumulate(heights)]
    fit = all(shapes[n] == (*before, heights[j.part], shape[-1]) for n, j in joints.items())
    if not fit or starts[-1] != shape[-2]:
        return ()
    return tuple(
        Piece(tensor=n, expert=j.expert, rows=slice(starts[j.part], starts[j.part + 1]))
        for n, j in joints.items()
    )


def _height(shape: tuple[int, ...]) -> int:
    return shape[-2] if len(shape) > 1 else -1


def rows_inside(joint: Joint, shape: tuple[int, ...]) -> slice | None:
    """The rows of a live tensor of that shape that are a part; of its expert, where there are experts."""
    stacked = joint.expert is not None
    if len(shape) != 2 + stacked or (stacked and not 0 <= (joint.expert or 0) < shape[0]):
        return None
    if joint.axis not in {None, len(shape) - 2} or shape[-2] % joint.parts:
        return None
    height = shape[-2] // joint.parts
    return slice(joint.part * height, (joint.part + 1) * height)
