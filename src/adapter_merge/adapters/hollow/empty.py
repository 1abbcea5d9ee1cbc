"""A model without weights: the real class, every parameter and buffer a tensor that stores one number.

Shapes and dtypes are true, so PEFT builds its layers on it as on a loaded model. What is read from such a
weight is zero: whoever computes puts the real one in first.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from adapter_merge.offline import without_hub

if TYPE_CHECKING:
    import torch
    from torch import nn


def hollow_model(make: Callable[[], nn.Module]) -> nn.Module:
    """The model that `make` builds, without its weights, in float32; what it ties stays one object."""
    import torch

    with quiet(), torch.device("meta"):
        model = make()
    made: dict[int, torch.Tensor] = {}
    for module in model.modules():
        held: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)  # noqa: SLF001 - torch has no public setter
        for tensors in held:
            for name, tensor in tensors.items():
                if tensor is not None:
                    tensors[name] = made.setdefault(id(tensor), hollow_like(tensor))
    return model.eval()


def hollow_like(tensor: torch.Tensor) -> torch.Tensor:
    """A zero of that shape that stores one number; a parameter for a parameter."""
    import torch

    dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
    empty = torch.zeros((), dtype=dtype).expand(tensor.shape)
    if isinstance(tensor, torch.nn.Parameter):
        return torch.nn.Parameter(empty, requires_grad=False)
    return empty


def is_hollow(tensor: torch.Tensor) -> bool:
    """Whether a tensor stores one number for all its elements."""
    return bool(tensor.numel() > 1 and not any(tensor.stride()))


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings from PEFT and transformers, no Hub, no gradients, and no trace in others' random numbers."""
    import torch

    loggers = [logging.getLogger(name) for name in ("transformers", "peft")]
    levels = [logger.level for logger in loggers]
    with (
        without_hub(),
        warnings.catch_warnings(),
        torch.random.fork_rng(devices=[]),
        torch.no_grad(),
    ):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
