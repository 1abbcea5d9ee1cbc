"""Factors of fused experts in the layout and orientation of the installed PEFT; in the child process only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

    from adapter_merge.adapters.factors import FusedFactors

_SIDES = (2, 3)


def as_peft_reads(
    fused: FusedFactors, tensors: Mapping[str, torch.Tensor], module: nn.Module
) -> Mapping[str, torch.Tensor]:
    """The two factors by their names, such that PEFT's layer gives the delta that the merge read from them.

    A (experts * rank, inputs) and B (outputs, rank * experts) are reordered, never computed with. `tensors` are the
    adapter's, `module` is the one that has the parameter.
    """
    own = fused.factors
    a, b = tensors[own.a.name], tensors[own.b.name]
    if own.layout == "grouped-by-expert":
        b = b.reshape(-1, own.experts, own.rank).transpose(1, 2).reshape(b.shape)
    owner: Any = module
    while hasattr(owner, "get_base_layer"):  # an earlier adapter's layer
        owner = owner.get_base_layer()
    parameter: torch.Tensor = getattr(owner, fused.parameter)
    if parameter.ndim == 3 and fused.is_transposed(parameter.shape) != _peft_transposes(owner):
        # (B_e @ A_e).T == A_e.T @ B_e.T, so the factors change places.
        by_expert = b.reshape(-1, own.rank, own.experts), a.reshape(own.experts, own.rank, -1)
        a = by_expert[0].permute(2, 1, 0).reshape(-1, b.shape[0])
        b = by_expert[1].permute(2, 1, 0).reshape(-1, own.rank * own.experts)
    return {own.a.name: a.contiguous(), own.b.name: b.contiguous()}


def _peft_transposes(module: nn.Module) -> bool:
    """Whether the installed PEFT adds transposed products to parameters of such a module; PEFT itself is asked."""
    import peft
    import torch
    from torch import nn

    probe: Any = nn.Module()
    probe.experts = nn.Module()
    probe.experts.parameter = nn.Parameter(torch.zeros(1, *_SIDES))
    if hasattr(module, "is_transposed"):
        probe.experts.is_transposed = module.is_transposed
    config = peft.LoraConfig(r=1, target_modules=[], target_parameters=["experts.parameter"])
    peft.inject_adapter_in_model(config, probe)
    inputs: int = probe.experts.lora_A["default"].in_features
    return inputs == _SIDES[0]
