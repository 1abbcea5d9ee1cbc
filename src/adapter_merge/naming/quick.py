"""Names that join without the model's class: no torch, no transformers.

Equal names mean equal tensors unless a rule of transformers would take a live name for a stored one. Of
all classes of transformers 5.23 that happens in two model types (docs/reference/converters.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from adapter_merge.checkpoint import Checkpoint
from adapter_merge.naming.attempt import Attempt, Target

# Model type -> names that mean another tensor, or another layout, in a file than in the model.
MOVED: Mapping[str, str] = MappingProxyType(
    {
        "pixio": r"layernorm\.(?:weight|bias)",
        "qwen3_vl_moe": r"mlp\.experts\.(?:gate_up|down)_proj",
    }
)

# `base_model_prefix` of the types that most adapters are for; another type's is asked of its class. It is
# never whatever the names begin with: `vision_model.` and `text_model.` can look alike.
PREFIXES: Mapping[str, str] = MappingProxyType(
    {
        "albert": "albert",
        "bert": "bert",
        "bloom": "transformer",
        "camembert": "roberta",
        "deberta-v2": "deberta",
        "distilbert": "distilbert",
        "electra": "electra",
        "falcon": "transformer",
        "gemma": "model",
        "gemma2": "model",
        "gemma3_text": "model",
        "gpt2": "transformer",
        "gpt_neo": "transformer",
        "gpt_neox": "gpt_neox",
        "gptj": "transformer",
        "llama": "model",
        "mistral": "model",
        "modernbert": "model",
        "mpnet": "mpnet",
        "olmo2": "model",
        "opt": "model",
        "phi3": "model",
        "qwen2": "model",
        "qwen3": "model",
        "roberta": "roberta",
        "vit": "vit",
        "xlm-roberta": "roberta",
    }
)

_DEEPEST = 8  # no class reads a config below so many others


def quick_tiers(config: Mapping[str, Any], checkpoint: Checkpoint) -> Iterator[tuple[Attempt, ...]]:
    """The names as they are; then with the type's own prefix taken off, or put before."""
    find = _finder(config, checkpoint)
    yield (Attempt(how="the names are the same", find=find),)
    prefix = PREFIXES.get(str(config.get("model_type")))
    if prefix is None:
        return
    head = f"{prefix}."

    def stripped(name: str) -> Target | None:
        return find(name.removeprefix(head))

    def prefixed(name: str) -> Target | None:
        # A head lies beside the inner part, so its name has no prefix.
        return find(head + name) or find(name)

    yield (
        Attempt(how=f"the file leaves out `{head}`", find=stripped),
        Attempt(how=f"the file puts `{head}` before", find=prefixed),
    )


def _finder(config: Mapping[str, Any], checkpoint: Checkpoint) -> Callable[[str], Target | None]:
    moved = [re.compile(MOVED[kind]) for kind in model_types(config) if kind in MOVED]

    def find(name: str) -> Target | None:
        info = checkpoint.tensors.get(name)
        if info is None or any(pattern.search(name) for pattern in moved):
            return None
        return Target(info=info, tensors=(name,))

    return find


def model_types(config: Mapping[str, Any], deep: int = _DEEPEST) -> Iterator[str]:
    """The model types of a config and of those inside it."""
    if isinstance(kind := config.get("model_type"), str):
        yield kind
    for value in config.values():
        if isinstance(value, Mapping) and deep:
            yield from model_types(value, deep - 1)
