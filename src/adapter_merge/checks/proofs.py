"""PEFT's layers as the second route uses them: whatever one merges is compared with its unmerged outputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapter_merge.plan import AdapterTensor, Layer, Layers, LayerTensor

if TYPE_CHECKING:
    import torch

    from adapter_merge.floats import Array
    from adapter_merge.plan import Load64


@dataclass(frozen=True, kw_only=True, slots=True)
class Proofs:
    """A `Load64` that has layers, for one edited tensor; `errors` gets what each layer was off by.

    `threads` are for the outputs. Layers merge on those that torch has: more may round otherwise than the merge did.
    """

    read: Load64
    layers: Layers
    threads: int = 1
    errors: list[float] = field(default_factory=list)

    def __call__(self, wanted: AdapterTensor, rows: slice | None = None) -> Array:
        """See `Load64`."""
        return self.read(wanted, rows)

    def layer(self, wanted: LayerTensor) -> Layer:
        """See `plan.HasLayers`."""
        return _Compared(layer=self.layers[wanted], errors=self.errors, threads=self.threads)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Compared:
    """A layer that compares each of its merges, and leaves what it gets alone."""

    layer: Layer
    errors: list[float]
    threads: int

    def merge(self, value: torch.Tensor) -> torch.Tensor:
        after = self.layer.merge(value.clone())
        self.errors.append(self.error(value, after))
        return after

    def error(self, before: torch.Tensor, after: torch.Tensor) -> float:
        with _torch_threads(self.threads):
            return self.layer.error(before, after)


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
