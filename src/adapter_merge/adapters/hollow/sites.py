"""The adapted layers of a hollow model: which tensors of the base each changes, and its merge."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from adapter_merge.adapters.hollow.empty import hollow_like
from adapter_merge.methods import METHODS, Changes

if TYPE_CHECKING:
    import torch
    from torch import nn

# What layers keep so that PEFT could unmerge them.
_KEPT = ("_caches", "_cached_delta_weights", "_cached_merge_factor")
_FORMS = {"ParamWrapper": "parameter", "MultiheadAttention": "attention", "LNTuningLayer": "norm"}
_ALL = frozenset(_FORMS)  # layers that change each of their places


class Undeclared(Exception):
    """A merge changed a tensor that its layer doesn't declare."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One tensor of the base inside an adapted layer: the module that holds it, and the attribute."""

    holder: Callable[[], nn.Module]
    attribute: str

    def get(self) -> torch.Tensor:
        """What is there now."""
        tensor: torch.Tensor = getattr(self.holder(), self.attribute)
        return tensor

    def put(self, value: torch.Tensor) -> None:
        """Set it."""
        import torch

        self._set(torch.nn.Parameter(value, requires_grad=False))

    def empty(self) -> None:
        """Make it hollow again."""
        self._set(hollow_like(self.get()))

    def _set(self, value: torch.Tensor) -> None:
        # `MultiheadAttention` leaves a plain tensor where its parameter was.
        self.holder().__dict__.pop(self.attribute, None)
        self.holder()._parameters[self.attribute] = value  # type: ignore[assignment]  # noqa: SLF001


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """One PEFT layer; its methods are called under its `lock`.

    Attributes:
        module: path of the module that it wraps, in the base's class.
        places: the base's tensors in it, by their names below `module`.
        changes: which of those the merge changes; another one that it changes is an error.
    """

    module: str
    layer: Any
    places: Mapping[str, Place]
    changes: frozenset[str]
    lock: Lock = field(default_factory=Lock)

    @property
    def form(self) -> str:
        """`parameter`, `attention`, `norm`, or `layer` for one whose own forward can be asked."""
        return _FORMS.get(type(self.layer).__name__, "layer")

    def alone(self, parameter: str, value: torch.Tensor) -> dict[str, torch.Tensor]:
        """Values of all places where only one has content: the others never enter its merge."""
        import torch

        values = {n: torch.zeros(p.get().shape) for n, p in self.places.items() if n != parameter}
        return {parameter: value, **values}

    def merge(self, values: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What all places become; `values` are theirs, in float32, and may be overwritten.

        Raises:
            Undeclared: the merge changed what isn't in `changes`.
        """
        import torch

        kept = {n: values[n].clone() for n in self.places if n not in self.changes}
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.fill(values)
            try:
                self.layer.merge()
                after = {n: p.get().data for n, p in self.places.items()}
            finally:
                self.clear()
        for name, before in kept.items():
            if not torch.equal(before, after[name]):
                raise Undeclared(f"`{self.module}.{name}`")
        return after

    def fill(self, values: Mapping[str, torch.Tensor]) -> None:
        """Put values in all places."""
        for name, place in self.places.items():
            place.put(values[name])

    def clear(self) -> None:
        """Make the layer hollow and unmerged again, and drop what it kept."""
        if self.form == "norm" and self.layer.merged:
            self.layer.unmerge()
        for place in self.places.values():
            place.empty()
        for module in self.layer.modules():
            if getattr(module, "merged_adapters", None):
                module.merged_adapters = []
            for kept in _KEPT:
                if getattr(module, kept, None):
                    getattr(module, kept).clear()


def sites(wrapped: Any) -> Iterator[Site]:
    """All adapted layers of PEFT's model that change something."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    (config,) = wrapped.peft_config.values()
    changes = METHODS[config.peft_type.value].changes
    for path, layer in list(wrapped.base_model.model.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            places = _places(layer)
            changed = _changed(layer, changes, frozenset(places))
            if changed:
                module = path.replace(".base_layer", "")
                yield Site(module=module, layer=layer, places=places, changes=changed)


def _places(layer: Any) -> Mapping[str, Place]:
    own, base = type(layer).__name__, layer.get_base_layer()
    # LN-tuning swaps its norms, so the holder is asked for each time.
    inside = layer.get_base_layer
    if own == "ParamWrapper":
        return {layer.parameter_name: Place(holder=inside, attribute=layer.parameter_name)}
    if own == "MultiheadAttention":
        return {
            "in_proj_weight": Place(holder=inside, attribute="in_proj_weight"),
            "out_proj.weight": Place(holder=base.out_proj.get_base_layer, attribute="weight"),
        }
    if type(base).__name__ == "NonDynamicallyQuantizableLinear":
        return {}  # the attention around it merges it too
    names = ("weight", "bias")
    there = [n for n in names if base._parameters.get(n) is not None]  # noqa: SLF001
    return {n: Place(holder=inside, attribute=n) for n in there}


def _changed(layer: Any, changes: Changes, there: frozenset[str]) -> frozenset[str]:
    own = type(layer).__name__
    if own in _ALL:
        return there
    if changes is Changes.BIAS:
        return there & {"bias"}
    both = changes is Changes.BOTH and not getattr(layer, "is_feedforward", False)
    both = both or any(getattr(layer, "lora_bias", {}).values())
    return there if both else there & {"weight"}
