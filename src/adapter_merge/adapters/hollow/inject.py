"""An adapter on a hollow model: PEFT builds its layers and loads the whole file, or it is refused.

PEFT warns, or says nothing, where an option isn't known, a tensor is missing (it stays random) or nobody
takes one. Here each of those is an error.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adapter_merge.adapters.hollow.empty import is_hollow, quiet

if TYPE_CHECKING:
    import torch
    from torch import nn

NAME = "default"
_SHOWN = 3
# What PEFT turns into something else where it knows an adapter's names to be of an older module tree.
_CONVERTED = ("target_parameters", "rank_pattern", "alpha_pattern", "r")
# Source: torch `nn/modules/module.py`, `_load_from_state_dict`.
_SIZES = re.compile(
    r"size mismatch for (?P<name>\S+): copying a param with shape torch\.Size\((?P<file>[^)]*)\) from "
    r"checkpoint, the shape in current model is torch\.Size\((?P<layer>[^)]*)\)"
)
# Left out of the file where a seed in the config makes them again: method -> (option, parts of names).
# Source: peft `get_peft_model_state_dict`.
_SEEDED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "UNILORA": (
        "save_indices",
        ("unilora_indices_A", "unilora_indices_B", "unilora_scales_A", "unilora_scales_B"),
    ),
    "TINYLORA": ("save_projection", ("tinylora_P",)),
}


class Misfit(Exception):
    """Adapter, config and class don't fit together; the message says how."""


class SizeMismatch(Misfit):
    """A tensor of the adapter has another shape than PEFT's layer on that class."""


def inject(model: nn.Module, values: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Any:
    """Put an adapter on a hollow model; gives PEFT's model.

    `values` is `adapter_config.json`, `tensors` the method's own: those that replace a whole tensor of the
    base are steps of their own.

    Raises:
        Misfit: PEFT doesn't know an option or a tensor, misses one, or would convert names.
    """
    import peft
    from peft.utils.save_and_load import set_peft_model_state_dict

    config = _config(values)
    before = copy.deepcopy(config)
    with quiet():
        try:
            wrapped = peft.PeftModel(model, config, adapter_name=NAME)
            _check_converted(before, config)
            loaded = set_peft_model_state_dict(wrapped, dict(tensors), NAME)
            passed = _passed_over(wrapped, loaded.unexpected_keys, tensors)
        except Misfit:
            raise
        # A stranger's values can break a layer's constructor in any way.
        except Exception as e:
            if (sizes := _size_mismatch(e)) is not None:
                raise SizeMismatch(f"peft {peft.__version__} can't load it: {sizes}") from e
            raise Misfit(f"peft {peft.__version__} can't load it: {said(e)}") from e
    reported = frozenset(loaded.missing_keys) - {f"{key}.{NAME}" for key in passed}
    missing = _missing(wrapped, reported, values)
    unexpected = sorted(set(loaded.unexpected_keys) - passed)
    if missing:
        raise Misfit(f"its file lacks {_listed(missing)}, which PEFT would leave random")
    if unexpected:
        raise Misfit(f"no layer takes {_listed(unexpected)} of its file")
    return wrapped.eval()


def said(error: Exception) -> str:
    """The first line of an error, or its class."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _size_mismatch(error: Exception) -> str | None:
    """The first tensor of another shape that torch's `load_state_dict` names; None for other errors."""
    found = _SIZES.search(str(error)) if isinstance(error, RuntimeError) else None
    if found is None:
        return None
    name = found["name"].replace(f".{NAME}", "")
    return f"`{name}` has shape {found['file']}, and its layer {found['layer']}"


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    text = ", ".join(f"`{name.replace(f'.{NAME}', '')}`" for name in names[:_SHOWN])
    return f"{text} and {more} more" if more > 0 else text


def _config(values: Mapping[str, Any]) -> Any:
    """PEFT's config; an option that this version doesn't know is an error, where PEFT drops it."""
    import peft
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    known = PEFT_TYPE_TO_CONFIG_MAPPING[values["peft_type"]]
    fields = {f.name for f in dataclasses.fields(known)}
    strange = sorted(k for k, v in values.items() if k not in fields and v)
    if strange:
        raise Misfit(f"peft {peft.__version__} doesn't know its option {_listed(strange)}")
    try:
        with quiet():
            config = known(**{k: v for k, v in values.items() if k in fields})
    except Exception as e:
        raise Misfit(f"peft {peft.__version__} doesn't take its config: {said(e)}") from e
    saved = getattr(config, "modules_to_save", None)
    config.modules_to_save = None
    config.inference_mode = True
    if hasattr(config, "progressbar"):
        config.progressbar = False
    if saved:
        config.exclude_modules = _excluding(getattr(config, "exclude_modules", None), saved)
    return config


def _excluding(before: str | list[str] | None, saved: list[str]) -> str:
    """Saved modules aren't adapted: PEFT says so by `modules_to_save`, which would copy them whole."""
    parts = [rf"(?:.*\.)?(?:{m})(?:\..*)?" for m in saved]
    if isinstance(before, str):
        parts.append(f"(?:{before})")
    elif before:
        parts += [rf"(?:.*\.)?{re.escape(m)}" for m in before]
    return "|".join(parts)


def _check_converted(before: Any, after: Any) -> None:
    """PEFT converts adapters of older module trees, and gets some wrong: such names are naming's to map."""
    for field in _CONVERTED:
        if _plain(getattr(before, field, None)) != _plain(getattr(after, field, None)):
            raise Misfit(f"it was trained on another module tree: PEFT would convert its `{field}`")


def _plain(value: Any) -> Any:
    """PEFT turns lists into sets."""
    return (sorted(value) if isinstance(value, list | set | tuple) else value) or None


def _passed_over(
    wrapped: nn.Module, unexpected: list[str], tensors: Mapping[str, torch.Tensor]
) -> frozenset[str]:
    """Load what PEFT before 0.21 saves and never loads: the projections of VeRA and PVeRA."""
    there = wrapped.state_dict()
    found = frozenset(k for k in unexpected if f"{k}.{NAME}" in there)
    for key in found:
        there[f"{key}.{NAME}"].copy_(tensors[key])
    return found


def _missing(wrapped: nn.Module, reported: frozenset[str], values: Mapping[str, Any]) -> list[str]:
    """What PEFT added and the file doesn't hold, under any of its names."""
    there = wrapped.state_dict()
    filled = {v.data_ptr() for k, v in there.items() if k not in reported}
    option, parts = _SEEDED.get(values["peft_type"], ("", ()))
    seeded = parts if not values.get(option) else ()
    return [
        name
        for name, tensor in there.items()
        if name in reported
        and not _of_base(tensor, name)
        and tensor.data_ptr() not in filled
        and not any(f".{part}." in name for part in seeded)
    ]


def _of_base(tensor: torch.Tensor, name: str) -> bool:
    from peft.mapping import PEFT_TYPE_TO_PREFIX_MAPPING

    if is_hollow(tensor):
        return True
    added = (*PEFT_TYPE_TO_PREFIX_MAPPING.values(), "token_adapter")
    return tensor.numel() <= 1 and not any(prefix in name for prefix in added)
