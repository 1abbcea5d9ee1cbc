"""The folders that the guides speak of: a chat model of a real class, two adapters, another program's merge."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file, save_file

from tests.build import ALPHA, RANK, Tensors, write_adapter, write_base, write_json
from tests.layouts.templates import CHATML

BASE_ID = "acme/my-base"
LAYERS, WIDTH, INNER, HEADS = 2, 16, 32, 2
SPECIAL = ("<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")
WORDS = (*SPECIAL, "user", "assistant", "Where", "is", "the", "harbour", "?", "In", "north", ".")
CONFIG = {
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS,
    "max_position_embeddings": 256,
    "vocab_size": len(WORDS),
    "bos_token_id": 1,
    "eos_token_id": 2,
}
CARD = "---\nlicense: apache-2.0\n{more}---\n# {name}\n"


def make_folders(root: Path) -> None:
    """Fill a folder with all of them."""
    base = write_base(root / "my-base", dict(_weights()), **CONFIG)
    _write_tokenizer(base, template=None)
    write_json(base / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2})
    (base / "README.md").write_text(CARD.format(more="", name="my-base"))
    adapter = _adapter(root / "my-adapter", "self_attn.q_proj", "self_attn.v_proj")
    _write_tokenizer(adapter, template=CHATML)
    _adapter(root / "my-second-adapter", "self_attn.o_proj")
    _write_their_merge(root)
    _write_retriever(root)


def _weights() -> Iterator[tuple[str, np.ndarray]]:
    values = np.random.default_rng(0)

    def some(*shape: int) -> np.ndarray:
        return values.standard_normal(shape, dtype=np.float32)

    yield "model.embed_tokens.weight", some(len(WORDS), WIDTH)
    for n in range(LAYERS):
        layer = f"model.layers.{n}"
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            yield f"{layer}.self_attn.{name}.weight", some(WIDTH, WIDTH)
        for name, shape in (("gate_proj", (INNER, WIDTH)), ("up_proj", (INNER, WIDTH))):
            yield f"{layer}.mlp.{name}.weight", some(*shape)
        yield f"{layer}.mlp.down_proj.weight", some(WIDTH, INNER)
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"{layer}.{name}.weight", np.ones(WIDTH, np.float32)
    yield "model.norm.weight", np.ones(WIDTH, np.float32)
    yield "lm_head.weight", some(len(WORDS), WIDTH)


def _adapter(root: Path, *modules: str) -> Path:
    tensors = dict(_factors(modules))
    names = [module.rpartition(".")[2] for module in modules]
    write_adapter(root, tensors, base_model_name_or_path=BASE_ID, target_modules=names)
    (root / "README.md").write_text(CARD.format(more=f"base_model: {BASE_ID}\n", name=root.name))
    return root


def _factors(modules: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    values = np.random.default_rng(1)
    for n in range(LAYERS):
        for module in modules:
            for part, shape in (("A", (RANK, WIDTH)), ("B", (WIDTH, RANK))):
                name = f"base_model.model.model.layers.{n}.{module}.lora_{part}.weight"
                yield name, 0.05 * values.standard_normal(shape, dtype=np.float32)


def _write_tokenizer(root: Path, template: str | None) -> None:
    added = [
        {"id": n, "content": word, "special": True, "single_word": False}
        | dict.fromkeys(("lstrip", "rstrip", "normalized"), False)
        for n, word in enumerate(SPECIAL)
    ]
    parts = dict.fromkeys(("truncation", "padding", "normalizer", "post_processor", "decoder"))
    vocabulary = {word: n for n, word in enumerate(WORDS)}
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"}
    rest = {"added_tokens": added, "pre_tokenizer": {"type": "WhitespaceSplit"}, "model": model}
    write_json(root / "tokenizer.json", {"version": "1.0", **parts, **rest})
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    write_json(
        root / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **names}
    )
    if template is not None:
        (root / "chat_template.jinja").write_text(template)


def _write_their_merge(root: Path) -> None:
    """The right weights, with the adapter left beside them."""
    theirs, adapter = (
        root / "their-merge",
        load_file(root / "my-adapter" / "adapter_model.safetensors"),
    )
    shutil.copytree(root / "my-base", theirs)
    merged: Tensors = dict(load_file(theirs / "model.safetensors"))
    for name in [n for n in adapter if n.endswith("lora_A.weight")]:
        factor = adapter[name.replace("lora_A", "lora_B")]
        target = name.removeprefix("base_model.model.").replace("lora_A.", "")
        merged[target] = merged[target] + (factor @ adapter[name]) * np.float32(ALPHA / RANK)
    save_file(merged, theirs / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(root / "my-adapter" / "adapter_config.json", theirs)
    shutil.copy(root / "my-adapter" / "adapter_model.safetensors", theirs)


def _write_retriever(root: Path) -> None:
    """A model of colpali-engine, as small as one can be, and an adapter that sees, reads and projects."""
    values = np.random.default_rng(2)
    modules = {
        "language_model.layers.0.self_attn.q_proj": (WIDTH, WIDTH),
        "visual.blocks.0.attn.qkv": (3 * WIDTH, WIDTH),
        "custom_text_proj": (128, WIDTH),
    }
    weights: Tensors = {
        "language_model.embed_tokens.weight": np.ones((len(WORDS), WIDTH), np.float32)
    }
    factors: Tensors = {}
    for module, (rows, columns) in modules.items():
        weights[f"{module}.weight"] = values.standard_normal((rows, columns), dtype=np.float32)
        for part, shape in (("A", (RANK, columns)), ("B", (rows, RANK))):
            name = f"base_model.model.{module}.lora_{part}.weight"
            factors[name] = 0.05 * values.standard_normal(shape, dtype=np.float32)
    text = {"hidden_size": WIDTH, "vocab_size": len(WORDS)}
    config = {"architectures": ["ColQwen2"], "model_type": "qwen2_vl", "text_config": text}
    base = write_base(root / "my-colqwen2-base", weights, **config)
    _write_tokenizer(base, template=None)
    write_json(base / "preprocessor_config.json", {"image_processor_type": "Qwen2VLImageProcessor"})
    names = [module.rpartition(".")[2] for module in modules]
    write_adapter(root / "my-colqwen2-adapter", factors, target_modules=names)
    _write_pages(root)


def _write_pages(root: Path) -> None:
    """Pages of one's own, and what they answer: the guide's own words."""
    guide = (Path(__file__).parents[2] / "docs/guides/colpali.md").read_text(encoding="utf-8")
    wanted = guide.partition("```json\n")[2].partition("```")[0]
    (root / "pages.json").write_text(wanted)
    (root / "pages").mkdir()
    for name in json.loads(wanted)["images"]:
        Image.new("RGB", (56, 56)).save(root / name)
