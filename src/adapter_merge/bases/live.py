"""What an adapter's modules are called in today's class: a bundle keeps the adapter, so it has to have those names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from adapter_merge.adapters import Claim
from adapter_merge.adapters.hollow import taken
from adapter_merge.naming.join import Joined
from adapter_merge.naming.quick import PREFIXES
from adapter_merge.skeleton import Absent, skeleton_of
from adapter_merge.sources import Adapter, Base

# A rank or a scale by a module's older name would not be found any more.
_BY_NAME = ("rank_pattern", "alpha_pattern")


def live_modules(
    adapter: Adapter, claims: Sequence[Claim], base: Base, config: Mapping[str, Any]
) -> Mapping[str, str]:
    """Module in the adapter's file -> its name in the class of `config`, where loaders know only that one.

    Empty where the names are the file's own, up to its type's prefix, and where PEFT takes them as they are:
    only for others torch, transformers and peft are asked.
    """
    head = f"{PREFIXES.get(str(config.get('model_type')), '')}."
    if all(_is_plain(claim, head) for claim in claims):
        return {}
    result = replace(base, config=config)
    names = base.checkpoint.tensors.keys()
    skeleton = skeleton_of(config, names)
    if isinstance(skeleton, Absent) or _has_patterns(adapter) or taken(adapter, result).by:
        return {}
    joined = Joined(skeleton=skeleton, checkpoint=base.checkpoint)
    found = ((c.contribution.need, _live(c, joined)) for c in claims)
    return {
        need.module: live.removesuffix(f".{need.parameter}")
        for need, live in found
        if live.endswith(f".{need.parameter}") and live != need.name
    }


def _is_plain(claim: Claim, head: str) -> bool:
    need = claim.contribution.need.name
    return claim.name in {need, f"{head}{need}"} or need == f"{head}{claim.name}"


def _has_patterns(adapter: Adapter) -> bool:
    options = adapter.config.model_extra or {}
    return any(options.get(name) for name in _BY_NAME)


def _live(claim: Claim, joined: Joined) -> str:
    """The one parameter that the file's tensor is; empty where it is a part of one, or isn't there."""
    place = joined.places.get(claim.name)
    if place is None or place.converter is not None or len(place.live) != 1:
        return ""
    return place.live[0]
