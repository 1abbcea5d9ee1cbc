"""`Conv1D`, the linear layer of transformers that stores its weight as (in, out): where a base has it.

PEFT transposes a delta for such a layer, and for no other linear one: there factors that fit with their
sides swapped alone don't load. Source: peft `tuners/lora/model.py`, `dispatch_default`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapter_merge.checkpoint import TensorInfo
from adapter_merge.sources import Base

# Model types whose blocks use `Conv1D`, and its names there. Source: transformers, `modeling_*.py` that
# build `Conv1D`.
CONV1D_TYPES = frozenset(
    {"gpt2", "openai-gpt", "imagegpt", "decision_transformer", "clvp_decoder", "clvp"}
)
CONV1D_NAMES = frozenset({"c_attn", "c_proj", "c_fc", "q_attn"})
_WEIGHT, _BIAS = ".weight", ".bias"


@dataclass(frozen=True, kw_only=True, slots=True)
class Conv1DModules:
    """Which modules of a base store their weights as (in, out).

    Attributes:
        names: last parts of the paths of such modules.
        known: whether the model type, or a weight of the base, says so; else a square weight says nothing.
    """

    names: frozenset[str]
    known: bool

    @classmethod
    def of(cls, base: Base) -> Conv1DModules:
        """By the model types of the config; for classes outside transformers by the lengths of biases."""
        types = frozenset(model_types(base.config))
        outputs_last, outputs_first = _by_bias(base.checkpoint.tensors)
        is_used = bool(types & CONV1D_TYPES or outputs_last & CONV1D_NAMES)
        usual = CONV1D_NAMES - outputs_first if is_used else frozenset()
        return cls(names=usual | outputs_last, known=bool(types or outputs_last))

    def __contains__(self, module: str) -> bool:
        return module.rpartition(".")[2] in self.names


def model_types(config: Mapping[str, Any]) -> Iterator[str]:
    """The `model_type` of a config and of all configs inside it."""
    if isinstance(config.get("model_type"), str):
        yield config["model_type"]
    nested: Iterable[Any] = config.values()
    for value in nested:
        if isinstance(value, dict):
            yield from model_types(value)


def _by_bias(tensors: Mapping[str, TensorInfo]) -> tuple[frozenset[str], frozenset[str]]:
    """Names of modules whose weight has its outputs last, and of those that only have them first.

    A bias has the outputs' length, so it tells for every weight that isn't square.
    """
    outputs_last: set[str] = set()
    outputs_first: set[str] = set()
    for name, bias in tensors.items():
        module = name.removesuffix(_BIAS)
        weight = tensors.get(module + _WEIGHT) if module != name else None
        if weight is None or len(weight.shape) != 2 or weight.shape[0] == weight.shape[1]:
            continue
        if bias.shape == weight.shape[1:]:
            outputs_last.add(module.rpartition(".")[2])
        elif bias.shape == weight.shape[:1]:
            outputs_first.add(module.rpartition(".")[2])
    return frozenset(outputs_last), frozenset(outputs_first - outputs_last)
