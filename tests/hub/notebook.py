"""What an Unsloth notebook leaves on a Hub: an adapter on a 4-bit base, saved by transformers 5, pushed at every save."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi

from tests.build import change_json, write_json
from tests.contract.makers import llama, loaded, save_adapter, save_base

BASE = "unsloth/Tiny-1B-Instruct"
QUANTISED = f"{BASE}-unsloth-bnb-4bit"
ORIGINAL = "meta/Tiny-1B-Instruct"
ADAPTER = "org/adapter"
STOP = 3  # the id of `<|im_end|>`, which the base knows and doesn't stop at
LORA = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj", "down_proj"]}
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CARD = f"""---
base_model: {QUANTISED}
library_name: peft
tags:
- base_model:adapter:{QUANTISED}
- lora
- sft
- transformers
- trl
- unsloth
---

# My first fine-tune
"""


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    letters = [chr(ord("a") + n) for n in range(26)]
    words = ["<|end|>", "<|im_start|>", "<|pad|>", "<|im_end|>", *letters, " ", "\n"]
    vocabulary = {word: n for n, word in enumerate(words)}
    model = models.WordLevel(vocabulary, unk_token="<|end|>")
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model), eos_token="<|end|>")


def save_tokenizer(folder: Path) -> None:
    """As transformers 5 writes it, with the tokens and the template of a chat."""
    tokenizer = _tokenizer()
    tokenizer.add_special_tokens(
        {
            "eos_token": "<|im_end|>",
            "pad_token": "<|pad|>",
            "extra_special_tokens": ["<|im_start|>"],
        }
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    written = json.loads((folder / "tokenizer_config.json").read_text())
    assert written["tokenizer_class"] == "TokenizersBackend"
    assert written["extra_special_tokens"] == ["<|im_start|>"]


def write_older_base(folder: Path) -> Path:
    """A base in bfloat16 from the days of transformers 4."""
    save_base(llama(), folder, dtype="bf16")
    _tokenizer().save_pretrained(folder)
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|end|>"}
    write_json(folder / "tokenizer_config.json", config)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Tiny\n")
    return folder


def write_quantised(folder: Path) -> Path:
    """What its 4-bit form says of itself; nobody reads more of it."""
    folder.mkdir()
    method = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    write_json(folder / "config.json", {"model_type": "llama", "quantization_config": method})
    (folder / "README.md").write_text(f"---\nbase_model: {ORIGINAL}\n---\n# Tiny, 4-bit\n")
    return folder


def write_adapter(folder: Path, base: Path, *, seed: int) -> Path:
    """One save of the trainer."""
    save_adapter(loaded(base, "AutoModelForCausalLM"), folder, LORA, dtype="bf16", seed=seed)
    change_json(folder / "adapter_config.json", base_model_name_or_path=QUANTISED)
    save_tokenizer(folder)
    (folder / "training_args.bin").write_bytes(b"pickled")
    (folder / "README.md").write_text(CARD)
    return folder


def push(api: HfApi, repo: str, folder: Path, title: str = "Add") -> None:
    """All files of a folder, as one commit."""
    api.create_repo(repo, exist_ok=True)
    added = [CommitOperationAdd(p.name, p) for p in sorted(folder.iterdir())]
    api.create_commit(repo, added, commit_message=title)
