"""An adapter's tensors by the names that PEFT gives those of a LoRA.

Source: peft `utils/save_and_load.py`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from adapter_merge.adapters.saved_modules import Whole, whole_tensors
from adapter_merge.adapters.tokens import LEARNED
from adapter_merge.checkpoint import FLOATS, TensorInfo
from adapter_merge.errors import AdapterKind, Unclaimed
from adapter_merge.sources import INSIDE, Adapter

_FACTOR = re.compile(
    r"(?P<module>.+)\.(?:lora_(?P<linear>[AB])\.weight|lora_embedding_(?P<embedding>[AB])"
    r"|lora_B\.(?P<bias>bias))"
)


class Sorted(NamedTuple):
    """An adapter's tensors.

    `factors`: by module, with the keys `A`, `B`, `embedding_A`, `embedding_B` and `bias`; `whole`: those that
    replace one of the base; `tokens`: learned rows by module.
    """

    factors: dict[str, dict[str, TensorInfo]]
    whole: Whole
    tokens: dict[str, TensorInfo]


def sort_out(adapter: Adapter) -> Sorted:
    """Sort the tensors of a LoRA.

    Raises:
        AdapterKind: a tensor holds no floating-point numbers.
        Unclaimed: a name that PEFT doesn't save, or one that stands there twice.
    """
    factors: dict[str, dict[str, TensorInfo]] = {}
    held: dict[str, TensorInfo] = {}
    tokens: dict[str, TensorInfo] = {}
    label = adapter.pinned.source
    for info in adapter.checkpoint.tensors.values():
        name = _stripped(info, label)
        match = _FACTOR.fullmatch(name)
        if match is not None:
            key = match["linear"] or match["bias"] or f"embedding_{match['embedding']}"
            factors.setdefault(match["module"], {})[key] = info
        elif name.endswith(LEARNED):
            tokens[name.removesuffix(LEARNED)] = info
        else:
            held[name] = info
    return Sorted(factors, whole_tensors(held, label=label), tokens)


def _stripped(info: TensorInfo, label: str) -> str:
    name = info.name.removeprefix(INSIDE)
    known = _FACTOR.fullmatch(name) is not None
    tokens = name.endswith(LEARNED) or ".token_adapter.base_layer." in name
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
