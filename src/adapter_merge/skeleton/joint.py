"""Where a converter of transformers lays a tensor of the file, if all that it does is to put tensors together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers.core_model_loading import WeightConverter


@dataclass(frozen=True, kw_only=True, slots=True)
class Joint:
    """A tensor's place in the live one.

    Attributes:
        expert: its number in a stack along dimension 0, taken from its name; None where nothing is stacked.
        part: its place among the `parts` that are laid after each other.
        axis: the dimension of the live tensor along which they are; None for a single part.
    """

    expert: int | None
    part: int
    parts: int
    axis: int | None


def joint_of(converter: WeightConverter, pattern: str, name: str) -> Joint | None:
    """Where the tensor `name` comes to lie; `pattern` is that one of the converter's sources that it fits."""
    stacks, rest = _stacks(converter.operations[0]), list(converter.operations)
    rest = rest[1:] if stacks else rest
    sources = list(converter.source_patterns)
    if not (_lays(rest) if len(sources) > 1 else stacks and not rest):
        return None
    # The loader counts the tensors as they come; the names count too, and a gap between is no joint.
    numbered = re.search(pattern.replace(".*.", r"\.(\d+)\."), name) if stacks else None
    if stacks and numbered is None:
        return None
    return Joint(
        expert=int(numbered[1]) if numbered else None,
        part=sources.index(pattern),
        parts=len(sources),
        axis=getattr(rest[0], "dim", None) if rest else None,
    )


def turns(converter: WeightConverter) -> bool:
    """Whether all that a converter does is to swap the last two of three dimensions."""
    first, *others = converter.operations
    dims = getattr(first, "dim0", None), getattr(first, "dim1", None)
    return not others and type(first).__name__ == "Transpose" and dims == (1, 2)


def _stacks(operation: object) -> bool:
    return type(operation).__name__ == "MergeModulelist" and getattr(operation, "dim", None) == 0


def _lays(operations: list[object]) -> bool:
    """`Concatenate` of as many tensors as the converter has sources."""
    counted = [getattr(o, "num_shards_attribute", None) for o in operations]
    return [type(o).__name__ for o in operations] == ["Concatenate"] and counted == [None]
