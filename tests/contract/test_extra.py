"""Tensors of the base's file that its class ignores: PEFT's way loses them, a merge from files keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_merge import Request, run
from tests.contract import makers

EXTRA = {
    "mtp.layers.0.weight": torch.arange(12, dtype=torch.bfloat16).reshape(3, 4),
    "model.embeddings.position_ids": torch.arange(7).reshape(1, 7),
    "cls.species.bias": torch.tensor([1.5, float("inf")]),
    "model.layers.9.self_attn.q_proj.weight": torch.ones(2, 3, dtype=torch.float16),
    "flags": torch.tensor([True, False]),
    "scale": torch.tensor(2.5, dtype=torch.float64),
    "fp8": torch.ones(4).to(torch.float8_e4m3fn),
}


@pytest.mark.parametrize("old_names", [False, True], ids=["quick names", "names of the class"])
def test_they_are_kept_byte_for_byte(tmp_path: Path, old_names: bool) -> None:
    from peft import LoraConfig, get_peft_model

    # ViT's attention has other names in a file than in the class of transformers 5.
    build, targets = (vit, ["q_proj"]) if old_names else (makers.llama, ["q_proj", "down_proj"])
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    build().save_pretrained(base)
    file = base / "model.safetensors"
    save_file({**load_file(file), **EXTRA}, file, metadata={"format": "pt"})
    tuned = get_peft_model(build(), LoraConfig(target_modules=targets, init_lora_weights=False))
    tuned.save_pretrained(adapter)
    to = tmp_path / "to"
    report = run(Request(adapters=[str(adapter)], base=str(base), to=str(to), ignore=("T006",)))
    assert report.error is None, report.error
    before, after = load_file(file), load_file(to / "model.safetensors")
    assert before.keys() == after.keys()
    changed = {
        n for n in before if before[n].dtype != after[n].dtype or not same(before[n], after[n])
    }
    assert len(changed) == report.counts["tensors_edited"] > 0
    assert not changed & EXTRA.keys()


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.equal(one.reshape(-1).view(torch.uint8), other.reshape(-1).view(torch.uint8))


def vit() -> Any:
    from transformers import ViTConfig, ViTModel

    sizes = {"hidden_size": 16, "intermediate_size": 24, "image_size": 8, "patch_size": 4}
    return ViTModel(ViTConfig(**sizes, num_hidden_layers=2, num_attention_heads=2))
