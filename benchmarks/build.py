"""Build what is measured: a Llama checkpoint of a given size in bf16, and a LoRA or DoRA on all its linear layers."""

from __future__ import annotations

import sys
from pathlib import Path

SEED = 7
RANK = 16


def build(root: Path, *, layers: int, dora: bool = False, shard: str = "100GB") -> None:
    """Write `root/base` and `root/adapter`; a layer has 134 MB, the rest 262 MB."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(SEED)
    config = LlamaConfig(
        vocab_size=32000,
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=layers,
        num_attention_heads=16,
        num_key_value_heads=16,
        tie_word_embeddings=False,
        dtype="bfloat16",
    )
    torch.set_default_dtype(torch.bfloat16)
    model = LlamaForCausalLM(config)
    model.save_pretrained(root / "base", max_shard_size=shard)
    adapted = get_peft_model(
        model,
        LoraConfig(
            r=RANK,
            lora_alpha=24,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
            use_dora=dora,
        ),
    )
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.01)
    adapted.save_pretrained(root / "adapter")


if __name__ == "__main__":
    build(
        Path(sys.argv[1]),
        layers=int(sys.argv[2]),
        dora="dora" in sys.argv[3:],
        shard="300MB" if "shards" in sys.argv[3:] else "100GB",
    )
