"""Whether a reader that knows only `rope_theta` and `rope_scaling` turns positions as the config says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapter_merge.checks.consumers.facts import Facts

_THETAS = (
    "rope_theta",
    "rotary_emb_base",
    "global_rope_theta",
    "local_rope_theta",
    "rope_local_base_freq",
)


def rope_lost(facts: Facts, thetas: Sequence[Mapping[str, Any]]) -> bool:
    """Some level has `rope_parameters` that differ from its class's defaults, and not the old keys.

    Args:
        facts: the folder.
        thetas: which classes (`model_types`) have which defaults (`values`); others have no such key.
    """
    defaults = {t: tuple(entry["values"]) for entry in thetas for t in entry["model_types"]}
    return any(_lost(level, defaults) for level in facts.levels)


def _lost(level: Mapping[str, Any], defaults: Mapping[str, tuple[float, ...]]) -> bool:
    parameters, known = level.get("rope_parameters"), defaults.get(str(level.get("model_type")))
    if not isinstance(parameters, dict) or known is None:
        return False
    parts = [p for p in parameters.values() if isinstance(p, dict)] or [parameters]
    turned = any(p.get("rope_theta", known[0]) not in known for p in parts)
    scaled = any(p.get("rope_type", "default") != "default" or "mrope_section" in p for p in parts)
    return (turned and not any(key in level for key in _THETAS)) or (
        scaled and "rope_scaling" not in level
    )
