"""A change of one tensor that PEFT's own layer computes, whatever its method."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from adapter_merge.adapters.contribution import Step
from adapter_merge.adapters.rows import RowsStep
from adapter_merge.adapters.twins import Agreed, Echo
from adapter_merge.plan import AdapterTensor, LayerTensor

if TYPE_CHECKING:
    import torch

    from adapter_merge.plan import Apply, Array, HasLayers, Load, Load64


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerStep:
    """What PEFT's layer makes of a tensor of that shape; a step for `TensorEdit`.

    `shares`: those of `uses` that other edits use too. Both routes need a `load` that has layers.
    """

    layer: LayerTensor
    shape: tuple[int, ...]
    uses: tuple[AdapterTensor, ...]
    shares: tuple[AdapterTensor, ...]
    replaces: ClassVar[bool] = False
    by_rows: ClassVar[bool] = False

    def prepare(self, load: Load, *, compute: torch.dtype) -> Apply:
        """See `Step`; the layer computes in float32 on the CPU."""
        layer = cast("HasLayers", load).layer(self.layer)

        def merge(block: torch.Tensor, _rows: slice, _scratch: torch.Tensor) -> None:
            result = layer.merge(block.cpu().view(self.shape))
            if result.data_ptr() != block.data_ptr():
                block.copy_(result.reshape(block.shape))

        return merge

    def recompute(self, base: Array, rows: slice, load: Load64) -> Array:
        """See `Step`: merged again, by a layer that compares what it gives with its unmerged outputs."""
        import numpy as np
        import torch

        # The layers of a second route leave what they get alone.
        value = torch.from_numpy(np.asarray(base, dtype=np.float32)).view(self.shape)
        result = cast("HasLayers", load).layer(self.layer).merge(value)
        # Float32, where the base comes in it: a whole tensor in float64 is large.
        return cast("Array", result.numpy().reshape(base.shape))


def layer_steps(step: Step) -> Iterator[LayerStep]:
    """The steps through PEFT's layers in a step: itself, or those that it is made of."""
    if isinstance(step, LayerStep):
        yield step
    elif isinstance(step, RowsStep):
        yield from layer_steps(step.inner)
    elif isinstance(step, Echo):
        yield from layer_steps(step.step)
    elif isinstance(step, Agreed):
        yield from (*layer_steps(step.step), *layer_steps(step.other))
