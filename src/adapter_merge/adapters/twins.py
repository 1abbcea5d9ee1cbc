"""One change that reaches two tensors: the second one's step, and two steps that have to agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_merge.adapters.contribution import Step
from adapter_merge.errors import Corrupt
from adapter_merge.plan import AdapterTensor

if TYPE_CHECKING:
    import torch

    from adapter_merge.plan import Apply, Array, Load, Load64

_CLOSE = 1e-4  # of the largest value; the same product, taken in another order, is far closer


@dataclass(frozen=True, kw_only=True, slots=True)
class Echo:
    """What another tensor's edit does as well; the adapter's tensors count there as used."""

    step: Step

    @property
    def uses(self) -> tuple[AdapterTensor, ...]:
        """None that isn't used elsewhere."""
        return ()

    @property
    def replaces(self) -> bool:
        """As the step has it."""
        return self.step.replaces

    @property
    def by_rows(self) -> bool:
        """As the step has it."""
        return self.step.by_rows

    def prepare(self, load: Load, *, compute: torch.dtype) -> Apply:
        """See `Step`."""
        return self.step.prepare(load, compute=compute)

    def recompute(self, base: Array, rows: slice, load: Load64) -> Array:
        """See `Step`."""
        return self.step.recompute(base, rows, load)


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreed:
    """A change that the adapter's file holds twice, once for each of two tied tensors; both must be the same."""

    step: Step
    other: Step
    label: str

    @property
    def uses(self) -> tuple[AdapterTensor, ...]:
        """Those of both."""
        return (*self.step.uses, *self.other.uses)

    @property
    def replaces(self) -> bool:
        """As the step has it."""
        return self.step.replaces

    @property
    def by_rows(self) -> bool:
        """Whether both work on blocks of rows."""
        return self.step.by_rows and self.other.by_rows

    def prepare(self, load: Load, *, compute: torch.dtype) -> Apply:
        """See `Step`."""
        one = self.step.prepare(load, compute=compute)
        two = self.other.prepare(load, compute=compute)

        def apply(block: torch.Tensor, rows: slice, scratch: torch.Tensor) -> None:
            again = block.clone()
            two(again, rows, scratch)
            one(block, rows, scratch)
            if float((block - again).abs().max()) > _CLOSE * float(block.abs().max()):
                names = " and ".join(f"`{t.name}`" for t in self.uses)
                raise Corrupt(
                    f"`{self.label}` ties embedding and head, and holds different values for them: {names}",
                    hint="Save the adapter again with PEFT.",
                )

        return apply

    def recompute(self, base: Array, rows: slice, load: Load64) -> Array:
        """See `Step`."""
        return self.step.recompute(base, rows, load)
