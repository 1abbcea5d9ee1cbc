"""Adapters that are refused, by name and with the reason.

Source of the names: peft `PeftType`; of the reasons: the method's layer code there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PROMPT = "it learns prompt embeddings or prefixes, which are inputs and not weights"

# Methods that have no merged form at all.
NEVER: Mapping[str, str] = {
    "PROMPT_TUNING": _PROMPT,
    "MULTITASK_PROMPT_TUNING": _PROMPT,
    "P_TUNING": _PROMPT,
    "PREFIX_TUNING": _PROMPT,
    "CARTRIDGE": _PROMPT,
    "CPT": _PROMPT,
    "ADAPTION_PROMPT": "it adds attention to learned prompts, which no base weight can hold",
    "XLORA": "it mixes its experts anew for each token",
    "POLY": "it mixes its skills anew for each task",
    "LILY": "its routers mix experts anew for each token",
}

# Options of LoRA that change what the delta is: (field, reason). True of every value but None, False and empty.
LORA_OPTIONS: Mapping[str, str] = {
    "use_dora": "DoRA scales the columns of the merged weight; only plain LoRA is merged so far",
    "target_parameters": "it adapts parameters instead of modules; only modules are merged so far",
    "layer_replication": "it repeats layers of the base, so that the base has no tensor for the copies",
    "alora_invocation_tokens": "aLoRA is active after its invocation tokens only",
    "use_qalora": "QALoRA works on pooled inputs of a quantised base",
    "arrow_config": "Arrow routes each token to other adapters",
    "use_bdlora": "its block-diagonal factors are not the plain product of two matrices",
    "monteclora_config": "its factors are drawn at random in each forward pass",
    "megatron_config": "its layers are split over devices by Megatron",
}

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
        "velora_config",
    }
)


def reason(peft_type: str | None) -> str:
    """Why an adapter of this type isn't merged."""
    if not peft_type:
        return (
            "its `adapter_config.json` has no `peft_type`; MLX and early PEFT write such files, "
            "whose tensors follow other rules"
        )
    if peft_type in NEVER:
        return f"{peft_type} has no merged form: {NEVER[peft_type]}"
    return f"its method is {peft_type}; only LORA is merged so far"


def lora_refusal(init: object, extra: Mapping[str, Any]) -> str | None:
    """Why this LoRA isn't merged, judged by its config; None where it is.

    `init` is `init_lora_weights`, `extra` the fields that the config model doesn't name.
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
