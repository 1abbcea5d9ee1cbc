"""What a plain loader of today would make of an adapter: which of its tensors it would lose."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from adapter_merge.encoders.job import Graft
from adapter_merge.folder import ADAPTER_CONFIG


def plain_load(model: Any, graft: Graft) -> dict[str, object] | None:
    """Keys that `PeftModel.from_pretrained` misses or passes over, asked on a copy without weights.

    It reads the adapter twice: the first call builds the layers, and only the second one tells. None for
    methods but LoRA: they leave out of their files what they make again, and PEFT calls it missing.
    """
    import peft

    if json.loads(Path(graft.folder, ADAPTER_CONFIG).read_bytes()).get("peft_type") != "LORA":
        return None

    hollow = copy.deepcopy(model, _stand_ins(model))
    try:
        wrapped = peft.PeftModel.from_pretrained(hollow, graft.folder, low_cpu_mem_usage=True)
        told = wrapped.load_adapter(graft.folder, "default", low_cpu_mem_usage=True)
    except Exception as e:
        return _answer(graft, [], [], f"{type(e).__name__}: {str(e).partition(chr(10))[0][:200]}")
    return _answer(graft, told.missing_keys, told.unexpected_keys, None)


def _stand_ins(model: Any) -> dict[int, Any]:
    """A memo for `deepcopy` that gives every tensor one without storage."""
    from torch import nn

    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.to("meta"), requires_grad=False)
    for buffer in model.buffers():
        memo[id(buffer)] = buffer.to("meta")
    return memo


def _count(graft: Graft) -> int:
    from safetensors import safe_open

    with safe_open(graft.file, framework="pt") as file:
        return len(file.keys())


def _answer(
    graft: Graft, missing: list[str], unexpected: list[str], refusal: str | None
) -> dict[str, object]:
    return {
        "adapter": graft.label,
        "tensors": _count(graft),
        "missing": sorted(missing),
        "unexpected": sorted(unexpected),
        "refusal": refusal,
    }
