"""Every method of PEFT: how its adapters are merged, or why they aren't; torch-free.

Source: peft `PEFT_TYPE_TO_CONFIG_MAPPING` and `PEFT_TYPE_TO_PREFIX_MAPPING` of 0.18.1, 0.19.1, 0.20.0 and
0.21.2, and the `merge` of each method's layer there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Route(StrEnum):
    """Who computes a merge: our own arithmetic, block by block, or PEFT's layer on the whole tensor."""

    NATIVE = "natively"
    LAYERS = "through PEFT's layers"
    NONE = "refused"


class Changes(StrEnum):
    """What a method's layer changes in its module, beside what an adapter's file says by itself."""

    WEIGHT = "weight"
    BOTH = "weight, and bias where there is one"
    BIAS = "bias"
    NAMED = "the tensors that its file names"


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """One method.

    Attributes:
        route: who merges it.
        why: the reason of a refusal.
        prefix: what the names of its tensors begin with, after the module's path.
        changes: see `Changes`.
        sides: (part of a name, dimension) of tensors whose length is one of the target's: a dimension of it, or
            the product of all but the first. None counts all elements.
        since: the first minor version of PEFT that has it, from 0.18 on.
        until: the first that has it no more; empty where all have it.
        also: a word on what else holds.
    """

    route: Route = Route.LAYERS
    why: str = ""
    prefix: str = ""
    changes: Changes = Changes.WEIGHT
    sides: tuple[tuple[str, int | None], ...] = ()
    since: str = "0.18"
    until: str = ""
    also: str = ""


_PROMPT = Method(
    route=Route.NONE,
    why="it learns prompt embeddings or prefixes, which are inputs and not weights",
)
_ANEW = "computed anew from the base's weights on each load, and the file doesn't hold"


def _refused(why: str, prefix: str, since: str = "0.18") -> Method:
    return Method(route=Route.NONE, why=why, prefix=prefix, since=since)


METHODS: Mapping[str, Method] = {
    "LORA": Method(
        route=Route.NATIVE,
        prefix="lora_",
        sides=(
            ("lora_A.", 1),
            ("lora_B.weight", 0),
            ("lora_embedding_A", 1),
            ("lora_embedding_B", 0),
        ),
        also="parameters such as stacked experts too (`target_parameters`); DoRA, BD-LoRA, VeLoRA, MonteCLoRA and "
        "`MultiheadAttention` through PEFT's layers",
    ),
    "ADALORA": Method(prefix="lora_", sides=(("lora_A", 1), ("lora_B", 0))),
    "BEFT": Method(prefix="beft_", changes=Changes.BIAS, since="0.20"),
    "BOFT": Method(
        prefix="boft_",
        sides=(("boft_s", None),),
        also="slow, and each layer keeps a square matrix of its inputs in memory",
    ),
    "BONE": Method(prefix="bone_", until="0.19"),
    "C3A": Method(prefix="c3a_"),
    "DEFT": Method(prefix="deft_", sides=(("deft_P", 0), ("deft_R", 1)), since="0.20"),
    "DELORA": Method(prefix="delora_", sides=(("delora_A", 1), ("delora_B", 0))),
    "FOURIERFT": Method(prefix="fourierft_", also="its places rest on a seed (T013)"),
    "GLORA": Method(
        prefix="glora_",
        changes=Changes.BOTH,
        since="0.20",
        also="not for layers with a bias, unless `config_C` is `none`: the new bias needs the weight",
    ),
    "GRALORA": Method(prefix="gralora_", since="0.19"),
    "HIRA": Method(
        prefix="hira_",
        sides=(("hira_A", 1), ("hira_B", 0), ("hira_embedding_A", 1), ("hira_embedding_B", 0)),
        since="0.20",
    ),
    "HRA": Method(prefix="hra_", sides=(("hra_u", 0),)),
    "IA3": Method(prefix="ia3_", changes=Changes.BOTH, sides=(("ia3_l", None),)),
    "LN_TUNING": Method(prefix="ln_tuning_", changes=Changes.NAMED),
    "LOHA": Method(prefix="hada_", sides=(("hada_w1_a", 0), ("hada_w1_b", 1))),
    "LOKR": Method(prefix="lokr_"),
    "MISS": Method(prefix="miss_"),
    "OFT": Method(
        prefix="oft_",
        also="not on convolutions, where PEFT's outputs before and after its merge differ",
    ),
    "PEANUT": Method(prefix="peanut_", sides=(("peanut_A.", 1), ("peanut_B.", 0)), since="0.19"),
    "PVERA": Method(
        prefix="pvera_lambda_",
        sides=(("pvera_lambda_b", 0),),
        since="0.19",
        also="rests on a seed where `save_projection` is false (T013)",
    ),
    "RANDLORA": Method(
        prefix="randlora_",
        sides=(("randlora_gamma", 1),),
        also="rests on a seed where `save_projection` is false (T013)",
    ),
    "ROAD": Method(prefix="road_", changes=Changes.BOTH),
    "SHIRA": Method(prefix="shira_"),
    "SUPERTUNING": Method(
        prefix="supertuning_",
        sides=(("supertuning_lora_A", 1), ("supertuning_lora_B", 0)),
        since="0.21",
        also="not where `save_precomputed_indices` is false",
    ),
    "TINYLORA": Method(
        prefix="tinylora_", sides=(("tinylora_A", 1), ("tinylora_B", 0)), since="0.19"
    ),
    "TRAINABLE_TOKENS": Method(route=Route.NATIVE, prefix="trainable_tokens_"),
    "UNILORA": Method(
        prefix="unilora_",
        sides=(("unilora_indices_A", 1), ("unilora_indices_B", 0)),
        since="0.20",
        also="rests on a seed where `save_indices` is false (T013)",
    ),
    "VBLORA": Method(prefix="vblora_"),
    "VERA": Method(
        prefix="vera_lambda_",
        sides=(("vera_lambda_b", 0),),
        also="rests on a seed where `save_projection` is false (T013)",
    ),
    "WAVEFT": Method(prefix="waveft_", also="its places rest on a seed (T013)"),
    "ADAMSS": _refused(f"its subspaces are {_ANEW} them", "adamss_", "0.19"),
    "FROD": _refused(f"its left factors are {_ANEW} them", "frod_", "0.20"),
    "OSF": _refused(f"the greater part of its decomposition is {_ANEW} it", "osf_"),
    "PSOFT": _refused(f"its factors are {_ANEW} them", "psoft_", "0.19"),
    "SHADOW": _refused("it has no merged form in PEFT", "shadow_", "0.21"),
    "ADAPTION_PROMPT": _refused(
        "it adds attention to learned prompts, which no base weight can hold", "adaption_prompt_"
    ),
    "XLORA": _refused("it mixes its experts anew for each token", "xlora_"),
    "POLY": _refused("it mixes its skills anew for each task", "poly_"),
    "LILY": _refused("its routers mix experts anew for each token", "lily_", "0.19"),
    "PROMPT_TUNING": _PROMPT,
    "MULTITASK_PROMPT_TUNING": _PROMPT,
    "P_TUNING": _PROMPT,
    "PREFIX_TUNING": _PROMPT,
    "CARTRIDGE": _PROMPT,
    "CPT": _PROMPT,
}

# Options by which a file may leave out what a seed makes again, and by which it holds it.
_SAVES: Mapping[str, str] = {
    "VERA": "save_projection",
    "PVERA": "save_projection",
    "RANDLORA": "save_projection",
    "TINYLORA": "save_projection",
    "UNILORA": "save_indices",
}
_SAVED_UNLESS_TOLD = frozenset({"VERA", "PVERA", "RANDLORA", "TINYLORA"})
_ALWAYS_SEEDED = frozenset({"FOURIERFT", "WAVEFT"})


# Options of LoRA that make another method of it, and how people call that.
_VARIANTS: Mapping[str, str] = {
    "use_dora": "DoRA",
    "use_bdlora": "BD-LoRA",
    "velora_config": "VeLoRA",
    "monteclora_config": "MonteCLoRA",
    "use_rslora": "rsLoRA",
}


def variant(peft_type: str | None, options: Mapping[str, Any]) -> str:
    """What people call a LoRA with such options; empty where it is a plain one, or no LoRA."""
    if peft_type != "LORA":
        return ""
    return ", ".join(name for option, name in _VARIANTS.items() if options.get(option))


def rests_on_seed(peft_type: str | None, options: Mapping[str, Any]) -> bool:
    """Whether a part of the result comes from a seed and torch's generator, and isn't in the adapter's file."""
    if peft_type in _ALWAYS_SEEDED:
        return True
    option = _SAVES.get(peft_type or "")
    return option is not None and not options.get(option, peft_type in _SAVED_UNLESS_TOLD)
