"""Small folders as the programs of today save them, and ways to plant a fault in one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

Plant = Callable[[Path], object]

LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 12}
BERT = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "vocab_size": 12,
    "max_position_embeddings": 8,
}
COLQWEN = {
    "architectures": ["ColQwen2"],
    "model_type": "qwen2_vl",
    "text_config": {"model_type": "qwen2_vl_text", "vocab_size": 12},
}
OLD = "sentence_transformers.models."
POOLING = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}


def write(path: str, content: object = None) -> Plant:
    """A file with JSON, or an empty object."""

    def plant(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(json.dumps({} if content is None else content))

    return plant


def change(path: str, **values: object) -> Plant:
    """Set keys of a JSON file; None takes a key out."""

    def plant(folder: Path) -> None:
        content = json.loads((folder / path).read_text()) | values
        kept = {key: value for key, value in content.items() if value is not None}
        (folder / path).write_text(json.dumps(kept))

    return plant


def config(**values: object) -> Plant:
    return change("config.json", **values)


def delete(*paths: str) -> Plant:
    def plant(folder: Path) -> None:
        for path in paths:
            (folder / path).unlink()

    return plant


def both(*plants: Plant) -> Plant:
    return lambda folder: [plant(folder) for plant in plants]


def modules(*types: str) -> Plant:
    entries = [{"path": f"{i}_Module" if i else "", "type": t} for i, t in enumerate(types)]
    return write("modules.json", entries)


def weights(*names: str) -> Plant:
    return lambda folder: save_file(
        {name: np.ones((12, 2), np.float32) for name in names}, folder / "model.safetensors"
    )


def llama(folder: Path) -> None:
    """As a base from the days of transformers 4 looks."""
    folder.mkdir()
    weights("model.embed_tokens.weight")(folder)
    write("config.json", LLAMA)(folder)
    write("tokenizer.json")(folder)
    write("tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer"})(folder)


def sentences(folder: Path) -> None:
    """As sentence-transformers before 5.4 saved an encoder."""
    llama(folder)
    write("config.json", BERT)(folder)
    modules(f"{OLD}Transformer", f"{OLD}Pooling", f"{OLD}Normalize")(folder)
    write("1_Pooling/config.json", POOLING)(folder)
    write("sentence_bert_config.json", {"max_seq_length": 8})(folder)


def colqwen(folder: Path) -> None:
    """As colpali-engine saves a merged model."""
    llama(folder)
    weights("language_model.layers.0.weight", "custom_text_proj.weight")(folder)
    write("config.json", COLQWEN)(folder)
    write("preprocessor_config.json")(folder)


MAKERS: dict[str, Plant] = {
    "transformers": llama,
    "transformers-4": llama,
    "sentence-transformers": sentences,
    "colpali-engine": colqwen,
    "vllm": llama,
    "tei": sentences,
    "llama-cpp": llama,
}

# Faults that several programs meet.
BACKEND = change("tokenizer_config.json", tokenizer_class="TokenizersBackend")
BNB = config(quantization_config={"quant_method": "bitsandbytes"})
ADAPTER = both(write("adapter_config.json"), write("adapter_model.safetensors"))
