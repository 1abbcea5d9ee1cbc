"""What people do today: load everything with PEFT, merge, save."""

from __future__ import annotations

import sys


def merge(base: str, adapter: str, target: str) -> None:
    """Load, merge and save with the libraries' defaults, in the dtype of the file."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
    merged = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    merged.save_pretrained(target)


if __name__ == "__main__":
    merge(*sys.argv[1:])
