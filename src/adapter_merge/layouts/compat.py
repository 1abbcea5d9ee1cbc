"""What transformers 5 writes, in the words that transformers 4.57 and vLLM know.

What is added says the same as what stands there, and today's versions read both alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adapter_merge.layouts.config import CONFIG, nested_configs
from adapter_merge.layouts.repo import Repo
from adapter_merge.layouts.rewrite import Assignment
from adapter_merge.layouts.tokenizer import FAST, TOKENIZER_CONFIG

_WHY = "`--compat`: transformers 4.57 and vLLM"
# Classes that only transformers 5 has, for tokenizers that `tokenizer.json` describes whole.
_NEW_TOKENIZERS = ("TokenizersBackend", "Qwen3_5Tokenizer", "Siglip2Tokenizer")
_OLD_TOKENIZER = "PreTrainedTokenizerFast"

_EXTRA, _ADDITIONAL = "extra_special_tokens", "additional_special_tokens"
_SPECIFIC = "model_specific_special_tokens"

_ROPE, _THETA, _SCALING = "rope_parameters", "rope_theta", "rope_scaling"
_PARTIAL = "partial_rotary_factor"
_LENGTH = "original_max_position_embeddings"
_OLD_TYPES = ("default", "linear", "dynamic", "yarn", "longrope", "llama3")
# Where a model's config of 4.57 has another name. Source: `configuration_*.py` of both versions.
_ROPE_NAMES = {
    "gpt_neox": {_THETA: "rotary_emb_base", _PARTIAL: "rotary_pct"},
    "gpt_neox_japanese": {_THETA: "rotary_emb_base", _PARTIAL: "rotary_pct"},
}
# Classes that stop at a key too many, at `rope_type`, and at other types: what they take beside `type`.
# Source: `_rope_scaling_validation` in `configuration_*.py` of 4.57.
_FACTOR = (("linear", "dynamic"), ("factor",))
_FACTORS = (("longrope",), ("short_factor", "long_factor"))
_STRICT = {
    "chameleon": _FACTOR,
    "fuyu": _FACTOR,
    "olmo": _FACTOR,
    "olmo2": _FACTOR,
    "phi3": _FACTORS,
    "phi4_multimodal": _FACTORS,
}
# Models whose local layers turn apart: names of the global base and of the local one, which may be one.
_TWO_BASES = {
    "gemma3_text": (_THETA, "rope_local_base_freq"),
    "gemma3n_text": (_THETA, "rope_local_base_freq"),
    "modernbert": ("global_rope_theta", "local_rope_theta"),
    "modernbert-decoder": ("global_rope_theta", "local_rope_theta"),
    "olmo3": (_THETA, _THETA),
}


def compat_tokenizer(repo: Repo) -> Iterator[Assignment]:
    """What `tokenizer_config.json` has to say for older versions.

    Raises:
        Corrupt: it isn't a JSON object.
    """
    config = repo.object(TOKENIZER_CONFIG)
    if config.get("tokenizer_class") in _NEW_TOKENIZERS and FAST in repo.files:
        why = f"{_WHY} don't know `{config['tokenizer_class']}`"
        yield _of_tokenizer("tokenizer_class", _OLD_TOKENIZER, why)
    extra, specific = config.get(_EXTRA), config.get(_SPECIFIC)
    by_name = specific if isinstance(specific, dict) else {}
    if isinstance(extra, list):
        named = config.get(_ADDITIONAL) or []
        why = f"{_WHY} want names for `{_EXTRA}`, and lists here"
        yield _of_tokenizer(_ADDITIONAL, [*named, *(t for t in extra if t not in named)], why)
    if isinstance(extra, list) or (by_name and not extra):
        yield _of_tokenizer(_EXTRA, by_name, f"{_WHY} want names here")


def _of_tokenizer(key: str, value: object, why: str) -> Assignment:
    return Assignment(file=TOKENIZER_CONFIG, key=key, value=value, why=why)


def compat_config(config: Mapping[str, Any]) -> Iterator[Assignment]:
    """Rotary parameters and kinds of layers of a `config.json` where older versions look for them.

    They would take the class's default instead, in silence. Keys that are there are left alone, and
    dtype keys are never touched.
    """
    for where, holder in nested_configs(config):
        kind, rope = str(holder.get("model_type")), holder.get(_ROPE)
        said = _old_rope(kind, rope) if isinstance(rope, dict) else {}
        why = f"{_WHY} look for it here, and would take their default"
        for key, value in {**said, **_old_layers(kind, holder.get("layer_types"))}.items():
            if holder.get(key) is None:
                yield Assignment(file=CONFIG, where=where, key=key, value=value, why=why)


def _old_layers(kind: str, layers: object) -> Mapping[str, object]:
    """How often a layer of ModernBERT looks at everything; of others the same list is read."""
    if kind != "modernbert" or not isinstance(layers, list):
        return {}
    for step in (3, *range(1, len(layers) + 1)):
        stepped = [
            "full_attention" if n % step == 0 else "sliding_attention" for n in range(len(layers))
        ]
        if layers == stepped:
            return {"global_attn_every_n_layers": step}
    return {}


def _old_rope(kind: str, rope: Mapping[str, Any]) -> Mapping[str, object]:
    if not any(isinstance(value, dict) for value in rope.values()):
        return _flat_rope(kind, rope, _ROPE_NAMES.get(kind, {}))
    full, sliding = rope.get("full_attention"), rope.get("sliding_attention")
    if kind not in _TWO_BASES or not isinstance(full, dict) or not isinstance(sliding, dict):
        return {}
    whole, local = _TWO_BASES[kind]
    if whole == local and full.get(_THETA) != sliding.get(_THETA):
        return {}
    said = {local: sliding[_THETA]} if _THETA in sliding else {}
    return {**_flat_rope(kind, full, {_THETA: whole}), **said}


def _flat_rope(
    kind: str, rope: Mapping[str, Any], names: Mapping[str, str]
) -> Mapping[str, object]:
    if rope.get("rope_type", "default") not in _OLD_TYPES:
        return {}
    said = {names.get(key, key): rope[key] for key in (_THETA, _PARTIAL) if key in rope}
    scaling = {key: value for key, value in rope.items() if key not in (_THETA, _PARTIAL)}
    if scaling in ({}, {"rope_type": "default"}):
        return said
    return {**said, **(_strict(kind, scaling) if kind in _STRICT else {_SCALING: scaling})}


def _strict(kind: str, scaling: Mapping[str, Any]) -> Mapping[str, object]:
    """Nothing where more is said than such a class takes: today's versions read this form alone, too."""
    types, keys = _STRICT[kind]
    rest = {key: value for key, value in scaling.items() if key not in ("rope_type", *keys)}
    if scaling.get("rope_type") not in types or not all(key in scaling for key in keys):
        return {}
    if not rest.keys() <= {_LENGTH}:
        return {}
    factors = {key: _float(scaling[key]) for key in keys}
    return {**rest, _SCALING: {"type": scaling["rope_type"], **factors}}


def _float(value: object) -> object:
    """A factor as they want it written."""
    return float(value) if isinstance(value, int) else value
