"""An adapter's config for exactly the modules of its file, under their live names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# What is put on the model by itself, and what narrows a choice of modules.
_APART = ("trainable_token_indices", "ensure_weight_tying")
_NARROWING = ("exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save")
_BY_NAME = {"rank_pattern": ("r",), "alpha_pattern": ("lora_alpha", "alpha")}


def aimed(values: Mapping[str, Any], lives: Mapping[str, str], *, exactly: bool) -> dict[str, Any]:
    """`adapter_config.json` for the modules `lives` (by the adapter's names -> today's).

    `exactly`: they are named one by one, with each one's rank and scale; else its own patterns stay.
    """
    dropped = (*_APART, *_NARROWING) if exactly else _APART
    found = {k: v for k, v in values.items() if k not in dropped}
    found["base_model_name_or_path"], found["revision"] = None, None
    if "bias" in found:
        found["bias"] = "none"  # trained biases are put on by themselves
    if "init_lora_weights" in found:
        found["init_lora_weights"] = True
    if exactly:
        found["target_modules"] = "|".join(re.escape(n) for n in sorted(lives.values()))
        for field, plain in _BY_NAME.items():
            if _is_by_name(values.get(field)):
                found[field] = _one_by_one(values, lives, field, plain)
    return found


def _is_by_name(given: object) -> bool:
    """AdaLoRA has something else under the same key."""
    return isinstance(given, dict) and all(isinstance(v, int | float) for v in given.values())


def _one_by_one(
    values: Mapping[str, Any], lives: Mapping[str, str], field: str, plain: tuple[str, ...]
) -> dict[str, Any]:
    from peft.utils.other import get_pattern_key

    given = values[field]
    usual = next((values[name] for name in plain if name in values), None)
    return {
        f"^{re.escape(live)}": given.get(get_pattern_key(given.keys(), module), usual)
        for module, live in lives.items()
    }
