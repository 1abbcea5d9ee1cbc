"""A model of seventy billion parameters that takes no room: sparse files with true headers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from adapter_merge.localhub import LocalHub
from adapter_merge.weights import encode_header

# Llama 3 70B: hidden size, inner size, columns of keys and values, tokens.
_HIDDEN, _INNER, _KV, _TOKENS = 8192, 28672, 1024, 128256
LAYERS, SHARDS = 80, 30
_SHAPES = {
    "self_attn.q_proj": (_HIDDEN, _HIDDEN),
    "self_attn.k_proj": (_KV, _HIDDEN),
    "self_attn.v_proj": (_KV, _HIDDEN),
    "self_attn.o_proj": (_HIDDEN, _HIDDEN),
    "mlp.gate_proj": (_INNER, _HIDDEN),
    "mlp.up_proj": (_INNER, _HIDDEN),
    "mlp.down_proj": (_HIDDEN, _INNER),
}


def write_shard(path: Path, number: int) -> int:
    """A sparse file with the header of one shard; the result is its size."""
    return _write(path, _tensors(number))


def add_shards(hub: LocalHub, repo: str, place: Path) -> Mapping[str, int]:
    """Commit all shards, and the index that names them; the result is their sizes by name."""
    names = [f"model-{n + 1:05}-of-{SHARDS:05}.safetensors" for n in range(SHARDS)]
    sizes = {name: write_shard(place / name, number) for number, name in enumerate(names)}
    for name in names:
        _add(hub, repo, place / name)
    weight_map = {tensor: name for n, name in enumerate(names) for tensor, _, _ in _tensors(n)}
    index = place / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    _add(hub, repo, index)
    return sizes


def add_adapter(hub: LocalHub, repo: str, place: Path, *, rank: int = 16) -> int:
    """Commit the weights of a LoRA on every linear layer; the result is their size."""
    tensors: list[tuple[str, str, tuple[int, ...]]] = []
    for layer in range(LAYERS):
        for name, (rows, columns) in _SHAPES.items():
            at = f"base_model.model.model.layers.{layer}.{name}"
            tensors.append((f"{at}.lora_A.weight", "F32", (rank, columns)))
            tensors.append((f"{at}.lora_B.weight", "F32", (rows, rank)))
    size = _write(place / "adapter_model.safetensors", tensors)
    _add(hub, repo, place / "adapter_model.safetensors")
    return size


def _tensors(number: int) -> list[tuple[str, str, tuple[int, ...]]]:
    found: list[tuple[str, str, tuple[int, ...]]] = [
        (f"model.layers.{layer}.{name}.weight", "BF16", shape)
        for layer in range(number, LAYERS, SHARDS)
        for name, shape in _SHAPES.items()
    ]
    if number == 0:
        found.append(("model.embed_tokens.weight", "BF16", (_TOKENS, _HIDDEN)))
    return found


def _write(path: Path, tensors: list[tuple[str, str, tuple[int, ...]]]) -> int:
    header, placed = encode_header(tensors, {"format": "pt"})
    with path.open("wb") as file:
        file.write(header)
        file.truncate(placed[-1].stop)
    return placed[-1].stop


def _add(hub: LocalHub, repo: str, path: Path) -> None:
    """Without reading it: the digest is only the name's."""
    large = path.suffix == ".safetensors"
    sha256 = hashlib.sha256(path.name.encode() if large else path.read_bytes()).hexdigest()
    hub.add_file(repo, path.name, path, sha256=sha256)
