"""Weights that several modules of a class share besides the vocabulary's, such as the blocks of Zamba2.

PEFT puts a layer around each module by itself, so a change of one module doesn't reach the others. The file
holds their weight once, so it can't hold that change.
"""

from __future__ import annotations

from adapter_merge.adapters import Claim, is_wrapped
from adapter_merge.bases.ties import Settled
from adapter_merge.layouts import untied
from adapter_merge.naming import model_types, shared_weight
from adapter_merge.skeleton import Absent, Skeleton, skeleton_of
from adapter_merge.sources import Base

# Types whose classes share nothing but the vocabulary, under names that `naming.tied` knows: their classes
# aren't imported for this. docs/converters.json has what the classes of all types share.
COMMON = frozenset(
    {
        "albert",
        "bart",
        "bert",
        "bloom",
        "camembert",
        "clip",
        "clip_text_model",
        "clip_vision_model",
        "cohere",
        "cohere2",
        "deberta",
        "deberta-v2",
        "deepseek_v2",
        "deepseek_v3",
        "distilbert",
        "electra",
        "exaone4",
        "falcon",
        "gemma",
        "gemma2",
        "gemma3",
        "gemma3_text",
        "glm",
        "glm4",
        "gpt2",
        "gpt_neo",
        "gpt_neox",
        "gpt_oss",
        "gptj",
        "granite",
        "granitemoe",
        "helium",
        "idefics3",
        "lfm2",
        "llama",
        "llava",
        "llava_next",
        "longt5",
        "m2m_100",
        "mamba",
        "marian",
        "mbart",
        "mistral",
        "mistral3",
        "mixtral",
        "mllama",
        "mllama_text_model",
        "mllama_vision_model",
        "modernbert",
        "mpnet",
        "mt5",
        "olmo",
        "olmo2",
        "olmo3",
        "olmoe",
        "opt",
        "paligemma",
        "pegasus",
        "phi",
        "phi3",
        "phimoe",
        "pixtral",
        "qwen2",
        "qwen2_5_vl",
        "qwen2_5_vl_text",
        "qwen2_moe",
        "qwen2_vl",
        "qwen2_vl_text",
        "qwen3",
        "qwen3_moe",
        "qwen3_vl",
        "qwen3_vl_text",
        "roberta",
        "siglip",
        "siglip_text_model",
        "siglip_vision_model",
        "smollm3",
        "stablelm",
        "starcoder2",
        "switch_transformers",
        "t5",
        "umt5",
        "vit",
        "whisper",
        "xlm-roberta",
    }
)


def refuse_shared(settled: Settled, base: Base) -> None:
    """Refuse a change of a module that shares its weight with modules that the change doesn't reach.

    Raises:
        AdapterKind: base and adapter compute what no single weight computes.
    """
    if not settled.claims or all(kind in COMMON for kind in model_types(base.config)):
        return
    config = untied(base.config) if settled.untied else base.config
    names = {*base.checkpoint.tensors, *settled.untied}
    skeleton = skeleton_of(config, names)
    if isinstance(skeleton, Absent) or not skeleton.groups:
        return
    for group in skeleton.groups:
        _refuse_in(group, settled, base, skeleton)


def _refuse_in(group: frozenset[str], settled: Settled, base: Base, skeleton: Skeleton) -> None:
    stored = {n for n in base.checkpoint.tensors if _live(n, skeleton) in group}
    claimed = [c for c in settled.claims if _live(c.name, skeleton) in group]
    reached = {c.name for c in claimed}
    # What `settle` left tied is a change of all that is tied.
    together = () if settled.untied else base.tied
    for claim in claimed:
        alone = _is_layer(claim) and claim.name not in together
        if alone or not stored <= reached:
            live = _live(claim.name, skeleton)
            raise shared_weight(claim.adapter.pinned.source, claim.name, live, skeleton)


def _is_layer(claim: Claim) -> bool:
    """Whether PEFT changed one module alone; a parameter that was trained itself is the same one in all modules."""
    return claim.contribution.shape is None or is_wrapped(
        claim.contribution.need.module, claim.adapter.config
    )


def _live(name: str, skeleton: Skeleton) -> str:
    live = skeleton.place(name).live
    return live[0] if len(live) == 1 else ""
