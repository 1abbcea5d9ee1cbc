"""Edited tensors by the list of layers that they lie in: how many modules of which kinds in how many layers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from adapter_merge.modules import seat


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What is edited in one list of layers.

    Attributes:
        stack: path of the list.
        modules: how many modules.
        layers: in how many layers.
        numbers: which: `0-31`.
        kinds: by parent, with the number of modules where that isn't one a layer.
    """

    stack: str
    modules: int
    layers: int
    numbers: str
    kinds: str


def parts_of(tensors: Iterable[str]) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """The parts, the largest first, and the modules outside of all lists."""
    modules = sorted({t.removesuffix(".weight").removesuffix(".bias") for t in tensors})
    stacks: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        # A module that is a layer itself has no seat of its own; its weight has.
        stacks[seat(f"{module}.weight").stack].append(module)
    outside = tuple(stacks.pop("", ()))
    parts = (_part(stack, held) for stack, held in stacks.items())
    return tuple(sorted(parts, key=lambda p: (-p.modules, p.stack))), outside


def _part(stack: str, modules: list[str]) -> Part:
    seats = [seat(f"{module}.weight") for module in modules]
    layers = sorted({s.layer for s in seats if s.layer is not None})
    return Part(
        stack=stack,
        modules=len(modules),
        layers=len(layers),
        numbers=", ".join(_runs(layers)),
        kinds="; ".join(_kinds(Counter(s.kind for s in seats), len(layers))),
    )


def _runs(numbers: list[int]) -> Iterator[str]:
    """Neighbours as one run: `0-3`, `7`."""
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        held = [number for _, number in run]
        yield f"{held[0]}-{held[-1]}" if len(held) > 1 else f"{held[0]}"


def _kinds(counts: Counter[str], layers: int) -> Iterator[str]:
    for parent, kinds in groupby(sorted(counts), key=lambda kind: kind.rpartition(".")[0]):
        named = ", ".join(
            kind.rpartition(".")[2] + (f" ({counts[kind]})" if counts[kind] != layers else "")
            for kind in kinds
        )
        yield f"{parent}: {named}" if parent else named
