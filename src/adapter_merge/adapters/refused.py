"""Adapters that are refused, by name and with the reason.

Source of the names: peft `PeftType`; of the reasons: the method's layer code there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapter_merge.adapters.lora_options import LoraOptions
from adapter_merge.adapters.unsloth import FIELDS
from adapter_merge.methods import METHODS
from adapter_merge.sources import Adapter

# Options of LoRA that change what the delta is, or what it is added to, and that PEFT's layers merge.
LAYERED_OPTIONS = frozenset({"use_dora", "use_bdlora", "monteclora_config", "velora_config"})

# Options of LoRA that have no merged form: (field, reason). True of every value but None, False and empty.
LORA_OPTIONS: Mapping[str, str] = {
    "layer_replication": "it repeats layers of the base, so that the base has no tensor for the copies",
    "alora_invocation_tokens": "aLoRA is active after its invocation tokens only",
    "use_qalora": "QALoRA works on pooled inputs of a quantised base",
    "arrow_config": "Arrow routes each token to other adapters",
    "kasa_config": "KaSA drops the smallest singular values of the base's weights when an adapter is loaded",
    "megatron_config": "its layers are split over devices by Megatron",
}

# Methods whose file leaves out what PEFT makes again from the base's weights, where this option is off.
FROM_BASE: Mapping[str, str] = {"SUPERTUNING": "save_precomputed_indices"}

# Initialisations that subtracted something from the base when the training began.
CHANGED_BASE: Mapping[str, str] = {
    "pissa": "PiSSA",
    "olora": "OLoRA",
    "corda": "CorDA",
    "loftq": "LoftQ",
    "lora_ga": "LoRA-GA",
}

# Initialisations that leave the base as it is, besides true and false. Any other may have changed it.
KEPT_BASE = frozenset({"eva", "gaussian", "mica", "orthogonal"})

# Fields of `LoraConfig` that don't change the delta, or that the LoRA kind reads itself.
HARMLESS = frozenset(
    {
        "corda_config",
        "ensure_weight_tying",
        "eva_config",
        "inference_mode",
        "loftq_config",
        "lora_dropout",
        "lora_ga_config",
        "megatron_core",
        "merge_weights",
        "qalora_group_size",
        "runtime_config",
        "trainable_token_indices",
        *FIELDS,
    }
)


def reason(peft_type: str | None) -> str:
    """Why an adapter of this type isn't merged."""
    if not peft_type:
        return (
            "its `adapter_config.json` has no `peft_type`; MLX and early PEFT write such files, "
            "whose tensors follow other rules"
        )
    if peft_type in METHODS:
        return f"{peft_type} is never merged: {METHODS[peft_type].why}"
    return f"its method is {peft_type}, which this version doesn't know"


def layered_refusal(adapter: Adapter) -> str | None:
    """Why an adapter whose method PEFT's layers merge isn't merged; None where it is."""
    if adapter.weight != 1:
        return (
            f"its method is no delta times a scale, so a weight of {adapter.weight:g} says nothing"
        )
    off = FROM_BASE.get(adapter.config.peft_type or "")
    if off is not None and (adapter.config.model_extra or {}).get(off) is False:
        return f"`{off}` is off: its positions are chosen anew from the base's weights on each load"
    if adapter.config.peft_type != "LORA":
        return None
    options = LoraOptions.of(adapter)
    other = {k: v for k, v in (options.model_extra or {}).items() if k not in LAYERED_OPTIONS}
    return lora_refusal(options.init_lora_weights, other)


def is_layered(adapter: Adapter) -> bool:
    """Whether a LoRA needs PEFT's layers: by its options, or by names that no plain LoRA has."""
    if adapter.config.peft_type != "LORA":
        return False
    options = adapter.config.model_extra or {}
    marks = (".lora_magnitude_vector", ".base_layer.out_proj.lora_")
    return any(options.get(o) for o in LAYERED_OPTIONS) or any(
        mark in name for name in adapter.checkpoint.tensors for mark in marks
    )


def lora_refusal(init: object, extra: Mapping[str, Any]) -> str | None:
    """Why this LoRA isn't merged, judged by its config; None where it is.

    `init` is `init_lora_weights`, `extra` the other fields that LoRA has.
    """
    if isinstance(init, str):
        for start, name in CHANGED_BASE.items():
            if init.lower().startswith(start):
                return (
                    f"it was trained from a {name} initialisation, which changed the base, and was not "
                    "converted back to a plain LoRA"
                )
        if init.lower() not in KEPT_BASE:
            return f"`init_lora_weights` is `{init}`, which this version doesn't know: it may change the base"
    if extra.get("enable_lora"):
        return "it is a MergedLinear of early PEFT, whose `lora_A` holds several adapters in one"
    for field, why in LORA_OPTIONS.items():
        if extra.get(field):
            return f"`{field}` is set: {why}"
    unknown = [k for k, v in extra.items() if v and k not in HARMLESS and k not in LORA_OPTIONS]
    if unknown:
        return f"`{min(unknown)}` is set, an option that this version doesn't know"
    return None
