"""Where a tensor belongs in its model, as far as its name says: which stack and layer, which kind of module, which module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_OTHER = "*"


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Seat:
    """The place of one tensor.

    Attributes:
        stack: path of the list of layers (`model.layers`); empty outside of every list.
        layer: its number in that list; None outside.
        kind: the rest of the name without `.weight` (`self_attn.q_proj`, `self_attn.q_proj.bias`); further numbers are
            `*`, so that experts are one kind.
    """

    stack: str
    layer: int | None
    kind: str


def seat(tensor: str) -> Seat:
    """The place of a tensor in its model."""
    parts = tensor.removesuffix(".weight").split(".")
    at = next((i for i, part in enumerate(parts) if i and part.isdecimal()), None)
    if at is None or at + 1 == len(parts):
        return Seat(stack="", layer=None, kind=".".join(parts))
    kind = (_OTHER if part.isdecimal() else part for part in parts[at + 1 :])
    return Seat(stack=".".join(parts[:at]), layer=int(parts[at]), kind=".".join(kind))


def moved(name: str, modules: Mapping[str, str]) -> str | None:
    """The name of a module or of something in it, after the modules got other names; None where it is in none.

    The longest path that is one of `modules` (old -> new) counts.
    """
    path = name
    while path and path not in modules:
        path = path.rpartition(".")[0]
    return modules[path] + name.removeprefix(path) if path else None
