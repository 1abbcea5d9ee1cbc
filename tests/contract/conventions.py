"""Adapters of fused experts as trainers write them, by rule, and the weights that they stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.build import PREFIX, write_json
from tests.contract.makers import Tensors

RANK, ALPHA = 3, 6
SCALE = ALPHA / RANK


@dataclass(frozen=True, kw_only=True)
class Written:
    """How a trainer writes the factors of the parameters that it adapts.

    Attributes:
        parameters: live names of the parameters in their module, the innermost first.
        grouped: whether `lora_B` is grouped by expert.
        transposed: whether deltas are the transposed products; by parameter, or for all.
        structured: whether columns of one expert look alike, as training makes them.
        config: fields beside rank, alpha and `target_parameters`.
        module: the module by the adapter's names.
        names: the parameters by the adapter's names, where they are modules of their own there.
    """

    parameters: tuple[str, ...] = ("gate_up_proj", "down_proj")
    grouped: bool = False
    transposed: bool = False
    structured: bool = False
    config: Mapping[str, object] = field(default_factory=dict)
    module: str = "mlp.experts"
    names: tuple[str, ...] = ()


def tiny(kind: str, auto: str = "AutoModelForCausalLM", **sizes: object) -> Callable[[], Any]:
    """A model of a real class with 12 experts; `sizes` are its config's."""

    def build() -> Any:
        import transformers

        values: dict[str, object] = {
            "vocab_size": 256,
            "hidden_size": 32,
            "intermediate_size": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "num_experts_per_tok": 2,
            "tie_word_embeddings": False,
        }
        torch.manual_seed(1)
        config = transformers.CONFIG_MAPPING[kind](**{**values, **sizes})
        return getattr(transformers, auto).from_config(config)

    return build


def write_fused(model: Any, folder: Path, written: Written) -> Tensors:
    """Write an adapter for all layers of a model; gives the state dict that base and adapter stand for."""
    generator = torch.Generator().manual_seed(5)
    live = {n: t.clone() for n, t in model.state_dict().items()}
    held: Tensors = {}
    modules = sorted({n.rpartition(".")[0] for n in live if n.endswith(written.parameters)})
    assert modules, written
    for module in modules:
        for depth, parameter in enumerate(written.parameters):
            name = f"{module}.{parameter}"
            weight = live[name]
            a, b, delta = _factors(weight, written, generator)
            live[name] = weight + SCALE * delta
            inside = ".base_layer" * (len(written.parameters) - 1 - depth)
            path = f"{_renamed(module, written)}{inside}"
            if written.names:
                path = f"{_renamed(module, written)}.{written.names[depth]}"
            held |= {f"{PREFIX}{path}.lora_A.weight": a, f"{PREFIX}{path}.lora_B.weight": b}
    leaves = [f"{n}.weight" for n in written.names] or [
        f"{written.module.rpartition('.')[2]}.{p}" for p in written.parameters
    ]
    write_adapter(folder, held, {"target_parameters": leaves, **written.config})
    return live


def write_adapter(folder: Path, tensors: Tensors, config: Mapping[str, object]) -> None:
    """Any adapter; a field that is None is left out of the config."""
    folder.mkdir()
    held = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(held, folder / "adapter_model.safetensors")
    values = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": [],
              "peft_version": "0.21.2", **config}  # fmt: skip
    write_json(folder / "adapter_config.json", {k: v for k, v in values.items() if v is not None})


def _renamed(module: str, written: Written) -> str:
    """The module by the adapter's names: what follows the layer's number is `written.module`."""
    layer = module.split(".mlp.", maxsplit=1)[0].split(".block_sparse_moe.", maxsplit=1)[0]
    return f"{layer}.{written.module}"


def _factors(
    weight: torch.Tensor, written: Written, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    experts, first, second = weight.shape
    outputs, inputs = (second, first) if written.transposed else (first, second)
    a = 0.1 * torch.randn(experts, RANK, inputs, generator=generator)
    b = 0.1 * torch.randn(experts, outputs, RANK, generator=generator)
    if written.structured:
        b = 0.3 * b + 0.1 * torch.randn(experts, outputs, 1, generator=generator)
    delta = b @ a
    order = (1, 0, 2) if written.grouped else (1, 2, 0)
    flat = b.permute(*order).reshape(outputs, experts * RANK)
    return a.reshape(experts * RANK, inputs), flat, delta.mT if written.transposed else delta


def largest_error(found: Tensors, expected: Tensors, names: Iterable[str]) -> float:
    """Of the tensors that are named in part."""
    wanted = [n for n in expected if n.endswith(tuple(names))]
    return max(float((found[n] - expected[n]).abs().max()) for n in wanted)
