"""An adapter's tensors by the names that PEFT gives those of a LoRA.

Source: peft `utils/save_and_load.py`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from adapter_merge.adapters.tokens import DELTA
from adapter_merge.checkpoint import FLOATS, TensorInfo
from adapter_merge.errors import AdapterKind, Unclaimed
from adapter_merge.sources import Adapter

_PREFIX = "base_model.model."
_FACTOR = re.compile(
    r"(?P<module>.+)\.(?:lora_(?P<linear>[AB])\.weight|lora_embedding_(?P<embedding>[AB])"
    r"|lora_B\.(?P<bias>bias))"
)
_TOKENS = f".token_adapter.{DELTA}"
# With `bias: all` PEFT saves the biases of a saved module two times more, and loads neither again.
_BESIDE = re.compile(r"(?P<module>.+)\.(?:modules_to_save|original_module)\.(?P<parameter>.+)")


class Sorted(NamedTuple):
    """An adapter's tensors.

    `factors`: by module, with the keys `A`, `B`, `embedding_A`, `embedding_B` and `bias`; `plain`: whole
    tensors by name; `beside`: the spare copies of plain ones, by the same names; `tokens`: learned rows
    by module.
    """

    factors: dict[str, dict[str, TensorInfo]]
    plain: dict[str, TensorInfo]
    beside: dict[str, list[TensorInfo]]
    tokens: dict[str, TensorInfo]


def sort_out(adapter: Adapter) -> Sorted:
    """Sort the tensors of a LoRA.

    Raises:
        AdapterKind: a tensor holds no floating-point numbers.
        Unclaimed: a name that PEFT doesn't save, or one that stands there twice.
    """
    factors: dict[str, dict[str, TensorInfo]] = {}
    plain: dict[str, TensorInfo] = {}
    beside: dict[str, list[TensorInfo]] = {}
    tokens: dict[str, TensorInfo] = {}
    for info in adapter.checkpoint.tensors.values():
        name = _stripped(info, adapter.pinned.source)
        match = _FACTOR.fullmatch(name)
        if match is not None:
            key = match["linear"] or match["bias"] or f"embedding_{match['embedding']}"
            factors.setdefault(match["module"], {})[key] = info
            continue
        if name.endswith(_TOKENS):
            tokens[name.removesuffix(_TOKENS)] = info
            continue
        bare = name.replace(".token_adapter.base_layer.", ".").replace(".base_layer.", ".")
        copy = _BESIDE.fullmatch(bare)
        if copy is not None:
            beside.setdefault(f"{copy['module']}.{copy['parameter']}", []).append(info)
            continue
        if bare in plain:
            raise Unclaimed(
                f"`{adapter.pinned.source}` holds `{bare}` twice, once below `base_layer`",
                hint="Save the adapter again with PEFT.",
            )
        plain[bare] = info
    for lone in beside.keys() - plain.keys():
        raise Unclaimed(
            f"`{adapter.pinned.source}` holds `{beside[lone][0].name}`, but no `{lone}`",
            hint="Save the adapter again with PEFT.",
        )
    return Sorted(factors, plain, beside, tokens)


def _stripped(info: TensorInfo, label: str) -> str:
    name = info.name.removeprefix(_PREFIX)
    known = _FACTOR.fullmatch(name) is not None
    tokens = name.endswith(_TOKENS) or ".token_adapter.base_layer." in name
    strange = not known and "lora_" in name
    if name == info.name or strange or ("token_adapter" in name and not tokens):
        raise Unclaimed(
            f"`{label}` holds `{info.name}`, which is no name that PEFT saves for a LoRA",
            hint="Save the adapter with PEFT's `save_pretrained`; PEFT itself would skip this tensor.",
        )
    if info.dtype not in FLOATS:
        raise AdapterKind(
            f"`{label}` holds `{info.name}` as {info.dtype}; a delta needs F16, BF16, F32 or F64",
            hint="Save the adapter in one of these dtypes.",
        )
    return name
