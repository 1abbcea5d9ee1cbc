"""What a merge has to be, told by PEFT: its own merge, or the sum of its deltas rounded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from adapter_merge import assemble
from adapter_merge.report import Report
from adapter_merge.request import Request
from tests.contract.makers import Tensors, tensors_of

_NAMES = "abcdefgh"


def ours(base: Path, adapters: Mapping[Path, float], to: Path, **settings: object) -> Report:
    """Our merge, from files to files."""
    written = [f"{path}={weight}" for path, weight in adapters.items()]
    values = {"base": str(base), "adapters": written, "to": str(to), "probe": "off", **settings}
    return assemble.run(Request.model_validate(values))


def with_adapters(model: Any, adapters: Mapping[Path, float]) -> Any:
    """A loaded base with all adapters on it, named `a`, `b` and so on, and their weights set."""
    import peft
    from peft.tuners.lora import LoraLayer

    for name, path in zip(_NAMES, adapters, strict=False):
        if name == "a":
            model = peft.PeftModel.from_pretrained(model, path, adapter_name=name)
        else:
            model.load_adapter(path, name)
    for module in model.modules():
        if isinstance(module, LoraLayer):
            for name, weight in zip(_NAMES, adapters.values(), strict=False):
                module.set_scale(name, weight)
    return model


def merged_by_peft(model: Any, count: int, folder: Path) -> Tensors:
    """`merge_and_unload`, saved and read back."""
    model.merge_and_unload(adapter_names=list(_NAMES[:count])).save_pretrained(folder)
    return tensors_of(folder)


def rounded_once(model: Any, base: Tensors, count: int) -> Tensors:
    """`round((float32(W) + d1) + d2 ...)` for every weight that the adapters of a model adapt.

    The deltas are PEFT's; to be asked before the model is merged.
    """
    from peft.tuners.lora import LoraLayer

    found: Tensors = {}
    with torch.no_grad():
        for path, module in model.named_modules():
            if isinstance(module, LoraLayer):
                name = f"{path.removeprefix('base_model.model.')}.weight"
                found[name] = _sum(module, base[name], _NAMES[:count])
    return found


def _sum(module: Any, weight: torch.Tensor, adapters: Sequence[str]) -> torch.Tensor:
    total = weight.to(torch.promote_types(weight.dtype, torch.float32))
    for adapter in adapters:
        if adapter in module.scaling:
            total = total + module.get_delta_weight(adapter)
    return total.to(weight.dtype)


def differing(found: Tensors, expected: Tensors) -> list[str]:
    """Names that both have and whose bits differ, once what is expected has the dtype that was found."""
    return [
        name
        for name in sorted(found.keys() & expected.keys())
        if found[name].shape != expected[name].shape
        or not torch.equal(_bits(found[name]), _bits(expected[name].to(found[name].dtype)))
    ]


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """Equal as bits: a zero of the other sign counts as different."""
    return tensor.contiguous().flatten().view(torch.uint8)
