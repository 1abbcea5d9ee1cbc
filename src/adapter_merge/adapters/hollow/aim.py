"""An adapter's config and tensors for exactly the modules of its file, under their live names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from adapter_merge import modules
from adapter_merge.adapters.hollow.inject import Misfit
from adapter_merge.sources import INSIDE

_T = TypeVar("_T")
# What is put on the model by itself, and what narrows a choice of modules.
_APART = ("trainable_token_indices", "ensure_weight_tying")
_NARROWING = ("exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save")
_BY_NAME = {"rank_pattern": ("r",), "alpha_pattern": ("lora_alpha", "alpha")}
_FEEDFORWARD = "feedforward_modules"
# Others that name modules, each by rules of its method.
_UNREAD = ("block_size_pattern", "lambda_pattern", "n_frequency_pattern", "use_bdlora")
_PARAMETERS = "target_parameters"
# They share or draw tensors in the order of the modules, which another tree may have otherwise.
_ORDERED = frozenset({"TINYLORA", "UNILORA"})


def aimed(values: Mapping[str, Any], lives: Mapping[str, str], *, exactly: bool) -> dict[str, Any]:
    """`adapter_config.json` for the modules `lives` (by the adapter's names -> today's).

    `exactly`: they are named one by one, with each one's rank and scale; else its own patterns stay.

    Raises:
        Misfit: an option can't be told under other names.
    """
    if any(module != live for module, live in lives.items()):
        _refuse(values)
    dropped = (*_APART, *_NARROWING) if exactly else _APART
    found = {k: v for k, v in values.items() if k not in dropped}
    found["base_model_name_or_path"], found["revision"] = None, None
    if "bias" in found:
        found["bias"] = "none"  # trained biases are put on by themselves
    if "init_lora_weights" in found:
        found["init_lora_weights"] = True
    if exactly:
        found["target_modules"] = _one_of(lives.values())
        if values.get(_FEEDFORWARD):
            found[_FEEDFORWARD] = _one_of(_feedforward(values[_FEEDFORWARD], lives))
        for field, plain in _BY_NAME.items():
            if _is_by_name(given := values.get(field)):
                found[field] = _one_by_one(values, lives, field, plain)
            elif isinstance(given, dict):  # AdaLoRA's, by tensor
                found[field] = {moved(name, lives): kept for name, kept in given.items()}
    return found


def moved_tensors(tensors: Mapping[str, _T], lives: Mapping[str, str]) -> dict[str, _T]:
    """An adapter's tensors under live names; those that all modules share keep theirs.

    Raises:
        Misfit: one belongs to none of the modules `lives`.
    """
    return {
        key if (inner := key.removeprefix(INSIDE)) == key else INSIDE + moved(inner, lives): value
        for key, value in tensors.items()
    }


def moved(key: str, lives: Mapping[str, str]) -> str:
    """The name of something in one of the modules `lives`, or of one of them, in the live tree.

    Raises:
        Misfit: it is in none.
    """
    if (found := modules.moved(key, lives)) is not None:
        return found
    raise Misfit(f"its `{key}` belongs to no module that is adapted")


def _refuse(values: Mapping[str, Any]) -> None:
    if values.get("peft_type") in _ORDERED:
        raise Misfit(f"{values['peft_type']} depends on the order of modules, which may be another")
    for field in (*_UNREAD, _PARAMETERS):
        if values.get(field):
            raise Misfit(f"its modules have other names today, which its `{field}` can't follow")


def _one_of(names: Iterable[str]) -> str:
    return "|".join(re.escape(n) for n in sorted(names))


def _feedforward(given: str | list[str], lives: Mapping[str, str]) -> list[str]:
    """Source: peft `IA3Model`, which takes the ending of a path without a look at its dots."""
    if isinstance(given, str):
        return [live for module, live in lives.items() if re.fullmatch(given, module)]
    return [live for module, live in lives.items() if module.endswith(tuple(given))]


def _is_by_name(given: object) -> bool:
    """AdaLoRA has something else under the same key."""
    return isinstance(given, dict) and all(isinstance(v, int | float) for v in given.values())


def _one_by_one(
    values: Mapping[str, Any], lives: Mapping[str, str], field: str, plain: tuple[str, ...]
) -> dict[str, Any]:
    from peft.utils.other import get_pattern_key

    given = values[field]
    usual = next((values[name] for name in plain if name in values), None)
    known = {m: given.get(get_pattern_key(given.keys(), m), usual) for m in lives}
    return {f"^{re.escape(lives[m])}": value for m, value in known.items() if value is not None}
