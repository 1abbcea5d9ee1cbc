"""An adapter's tensors by their names: the method's own, and those that replace one of the base.

Source of the names: peft `utils/save_and_load.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from adapter_merge.adapters.saved_modules import Whole, whole_tensors
from adapter_merge.adapters.tokens import LEARNED
from adapter_merge.checkpoint import TensorInfo
from adapter_merge.errors import Unclaimed
from adapter_merge.methods import METHODS
from adapter_merge.sources import INSIDE, Adapter

_AROUND = "base_model."


class Own(NamedTuple):
    """An adapter's tensors.

    `method`: the method's own, by their names in its file. `whole`: those that replace one of the base.
    `tokens`: learned rows, by module.
    """

    method: dict[str, TensorInfo]
    whole: Whole
    tokens: dict[str, TensorInfo]


def sort_out(adapter: Adapter) -> Own:
    """Sort the tensors of an adapter that is merged through PEFT's layers.

    Raises:
        Unclaimed: a name that PEFT doesn't save, or one that stands there twice.
    """
    label, mark = adapter.pinned.source, f".{METHODS[adapter.config.peft_type or ''].prefix}"
    method: dict[str, TensorInfo] = {}
    held: dict[str, TensorInfo] = {}
    tokens: dict[str, TensorInfo] = {}
    for info in adapter.checkpoint.tensors.values():
        if not info.name.startswith(_AROUND):
            raise Unclaimed(
                f"`{label}` holds `{info.name}`, which is no name that PEFT saves",
                hint="Save the adapter with PEFT's `save_pretrained`.",
            )
        inside = info.name.removeprefix(INSIDE)
        if info.name.endswith(LEARNED):
            tokens[inside.removesuffix(LEARNED)] = info
        elif inside == info.name or mark in info.name:
            method[info.name] = info
        else:
            held[inside] = info
    return Own(method, whole_tensors(held, label=label), tokens)


def by_module(own: Own, peft_type: str) -> Mapping[str, dict[str, TensorInfo]]:
    """The method's tensors by module and by the rest of their names; those that all modules share have ``."""
    mark, found = f".{METHODS[peft_type].prefix}", dict[str, dict[str, TensorInfo]]()
    for name, info in own.method.items():
        inside = name.removeprefix(INSIDE)
        at = inside.find(mark) if inside != name else 0
        module = inside[:at].replace(".base_layer", "")
        nested = at and inside.startswith(
            f"{module}."
        )  # not below the `base_layer` of a module around it
        rest = inside[len(module) + 1 :] if nested else inside[at + 1 :]
        parts = found.setdefault(module, {})
        # An attention's `out_proj` that is a target of its own stands there twice, and is one.
        parts[(rest if rest not in parts else inside) if at else name] = info
    return found
