"""An adapter's tensors by their names: the method's own, and those that replace one of the base.

Source of the names: peft `utils/save_and_load.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from adapter_merge.adapters.tokens import DELTA
from adapter_merge.checkpoint import TensorInfo
from adapter_merge.errors import Unclaimed
from adapter_merge.methods import METHODS
from adapter_merge.sources import Adapter

INSIDE = "base_model.model."
_AROUND = "base_model."
_TOKENS = f".token_adapter.{DELTA}"
# With `bias: all` PEFT saves the biases of a saved module two times more, and loads neither again.
_BESIDE = re.compile(r"(?P<module>.+)\.(?:modules_to_save|original_module)\.(?P<parameter>.+)")


class Own(NamedTuple):
    """An adapter's tensors, by their names in its file.

    `method`: the method's own. `plain`: whole tensors by the names that the base gives them. `beside`:
    the spare copies of plain ones, by the same names. `tokens`: learned rows, by module.
    """

    method: dict[str, TensorInfo]
    plain: dict[str, TensorInfo]
    beside: dict[str, list[TensorInfo]]
    tokens: dict[str, TensorInfo]


def sort_out(adapter: Adapter) -> Own:
    """Sort the tensors of an adapter that is merged through PEFT's layers.

    Raises:
        Unclaimed: a name that PEFT doesn't save, or one that stands there twice.
    """
    label, mark = adapter.pinned.source, f".{METHODS[adapter.config.peft_type or ''].prefix}"
    own = Own({}, {}, {}, {})
    for info in adapter.checkpoint.tensors.values():
        if not info.name.startswith(_AROUND):
            raise Unclaimed(
                f"`{label}` holds `{info.name}`, which is no name that PEFT saves",
                hint="Save the adapter with PEFT's `save_pretrained`.",
            )
        if info.name.endswith(_TOKENS):
            own.tokens[info.name.removeprefix(INSIDE).removesuffix(_TOKENS)] = info
        elif not info.name.startswith(INSIDE) or mark in info.name:
            own.method[info.name] = info
        else:
            _put_plain(own, info, label)
    for lone in own.beside.keys() - own.plain.keys():
        raise Unclaimed(
            f"`{label}` holds `{own.beside[lone][0].name}`, but no `{lone}`",
            hint="Save the adapter again with PEFT.",
        )
    return own


def _put_plain(own: Own, info: TensorInfo, label: str) -> None:
    bare = info.name.removeprefix(INSIDE).replace(".token_adapter.base_layer.", ".")
    bare = bare.replace(".base_layer.", ".")
    copy = _BESIDE.fullmatch(bare)
    if copy is not None:
        own.beside.setdefault(f"{copy['module']}.{copy['parameter']}", []).append(info)
    elif bare in own.plain:
        raise Unclaimed(
            f"`{label}` holds `{bare}` twice, once below `base_layer`",
            hint="Save the adapter again with PEFT.",
        )
    else:
        own.plain[bare] = info


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
