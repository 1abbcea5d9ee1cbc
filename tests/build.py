"""A base and a LoRA adapter of some kilobytes, written with numpy and safetensors alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from adapter_merge import assemble
from adapter_merge.finding import Finding
from adapter_merge.folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS, INDEX, SINGLE
from adapter_merge.ports import Reporter
from adapter_merge.receipt import Receipt
from adapter_merge.report import Report
from adapter_merge.request import Request

# The checks that a model is run for; most tests ask for none.
OUTPUTS = frozenset({"E001", "E002", "E003", "E004", "E005"})
Array: TypeAlias = npt.NDArray[Any]
Tensors: TypeAlias = dict[str, Array]

WIDTH, INNER, RANK, ALPHA = 8, 24, 4, 8
UP, DOWN = "model.layers.0.mlp.up_proj", "model.layers.1.mlp.down_proj"
PREFIX = "base_model.model."
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": WIDTH,
    "vocab_size": 12,
    "tie_word_embeddings": False,
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Three folders side by side: a base, an adapter, and the target that a run fills."""

    base: Path
    adapter: Path
    to: Path

    def request(self, **settings: object) -> Request:
        """The request for this merge, with other settings or refs where they are given; nothing is run."""
        wanted = {"adapters": (str(self.adapter),), "base": str(self.base), "to": str(self.to)}
        return Request.model_validate({**wanted, "probe": "off", **settings})

    def run(self, reporter: Reporter | None = None, **settings: object) -> Report:
        """Merge; on one thread unless the settings say otherwise."""
        return assemble.run(self.request(**{"workers": 1, **settings}), reporter)

    def receipt(self) -> Receipt:
        """The receipt of the sealed target."""
        return Receipt.model_validate_json((self.to / "merge_receipt.json").read_bytes())


def make_case(root: Path) -> Case:
    """A good merge of two modules; it takes no more than some milliseconds once torch is there."""
    write_base(root / "base")
    write_adapter(root / "adapter")
    return Case(base=root / "base", adapter=root / "adapter", to=root / "out")


def base_tensors() -> Tensors:
    """Two layers, embeddings, a norm and a head, float32."""
    values = np.random.default_rng(0)

    def some(*shape: int) -> Array:
        return values.standard_normal(shape, dtype=np.float32)

    layers = {
        f"model.layers.{n}.mlp.{name}.weight": some(*shape)
        for n in range(2)
        for name, shape in {"up_proj": (INNER, WIDTH), "down_proj": (WIDTH, INNER)}.items()
    }
    return {
        "model.embed_tokens.weight": some(12, WIDTH),
        **layers,
        "model.norm.weight": np.ones(WIDTH, dtype=np.float32),
        "lm_head.weight": some(12, WIDTH),
    }


def adapter_tensors() -> Tensors:
    """The factors of two modules, float32, under PEFT's names."""
    values = np.random.default_rng(1)
    shapes = {UP: (INNER, WIDTH), DOWN: (WIDTH, INNER)}
    return {
        f"{PREFIX}{module}.lora_{part}.weight": values.standard_normal(shape, dtype=np.float32) / 10
        for module, (outputs, inputs) in shapes.items()
        for part, shape in {"A": (RANK, inputs), "B": (outputs, RANK)}.items()
    }


def write_base(root: Path, tensors: Tensors | None = None, **config: object) -> Path:
    """A base with one weight file."""
    root.mkdir(parents=True)
    save_file(tensors or base_tensors(), root / SINGLE, metadata={"format": "pt"})
    write_json(root / "config.json", {**CONFIG, **config})
    write_json(root / "generation_config.json", {"do_sample": False})
    return root


def write_adapter(root: Path, tensors: Tensors | None = None, **config: object) -> Path:
    """A LoRA adapter as PEFT's `save_pretrained` leaves it."""
    root.mkdir(parents=True)
    save_file(tensors or adapter_tensors(), root / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    given = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "base_model_name_or_path": None}
    write_json(root / ADAPTER_CONFIG, {**given, **config})
    return root


def shard(root: Path, shards: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """Cut a base's weights into the shards of a weight map (name -> file); two by default."""
    tensors = load_file(root / SINGLE)
    names = {
        n: f"model-0000{1 + (i > 2)}-of-00002.safetensors" for i, n in enumerate(sorted(tensors))
    }
    weight_map = shards or names
    (root / SINGLE).unlink()
    for file in set(weight_map.values()):
        held = {n: t for n, t in tensors.items() if weight_map.get(n) == file}
        save_file(held, root / file, metadata={"format": "pt"})
    write_json(root / INDEX, {"metadata": {}, "weight_map": dict(weight_map)})
    return weight_map


def change(path: Path, edit: Callable[[Tensors], object]) -> None:
    """Let `edit` work on the tensors of a file, and write them back."""
    tensors = dict(load_file(path))
    edit(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def change_json(path: Path, **values: object) -> None:
    """Set fields of a JSON file."""
    write_json(path, {**json.loads(path.read_text()), **values})


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2))


def pack(header: object, data: bytes = b"") -> bytes:
    """A safetensors file with any header at all: JSON of a value, or bytes as they are."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype: str, shape: list[int], start: int, stop: int) -> dict[str, object]:
    """One tensor of a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def of_the_merge(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those about files, tensors and outputs: not about licence, card, or programs that load the result.

    Nor about the size of the change (T018): adapters that tests make are noise.
    """
    return tuple(f for f in findings if f.code[0] in "FTE" and f.code != "T018")


def debris(folder: Path, target: str = "out") -> list[str]:
    """What a run left beside its target: work folders and old targets."""
    return sorted(
        p.name for p in folder.iterdir() if p.name.startswith((f".{target}.", f"{target}."))
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }
