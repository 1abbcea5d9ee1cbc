"""Base with adapters through PEFT's own layers, under today's names; in the child only.

PEFT loads what it finds and says little of the rest. Here every tensor of an adapter finds its place, and
every place its tensor, or there is no reference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_merge.adapters import FIELDS
from adapter_merge.adapters.hollow.aim import aimed, moved_tensors
from adapter_merge.adapters.hollow.empty import hollow_like
from adapter_merge.adapters.hollow.inject import Misfit, SizeMismatch, inject
from adapter_merge.encoders.expert_factors import as_peft_reads
from adapter_merge.encoders.job import Graft, Target
from adapter_merge.encoders.probes import towers
from adapter_merge.folder import ADAPTER_CONFIG
from adapter_merge.skeleton import Skeleton, filled_by

if TYPE_CHECKING:
    import torch
    from torch import nn

FIRST = "default"
_FLOATS = {"F16": "float16", "BF16": "bfloat16"}


class Broken(Exception):
    """The reference can't be built; the message says why."""


class Unloadable(Broken):
    """PEFT can't load an adapter on the base, as a tensor has another shape: no merge of it is right."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """The way from tensors of a file to parameters of a loaded model."""

    skeleton: Skeleton

    def live(self, target: Target) -> str:
        """The one parameter that a tensor of the file is, or that the adapter means by it.

        Raises:
            Broken: there is none.
        """
        found = self.skeleton.meant(target.stored, target.need)
        if found is None:
            raise Broken(
                f"`{target.stored}` is no parameter of its own in the model as it is loaded"
            )
        return found

    def unfilled(self, stored: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
        """The tensors of the model that no tensor of a file fills."""
        found = filled_by(stored, self.skeleton)
        return (*found.unfilled, *found.unset)


def put_saved(model: nn.Module, graft: Graft, names: Names, *, added: bool) -> None:
    """Replace whole tensors: those that the base's file lacks (`added`), or those that it has."""
    for whole in graft.saved:
        if (whole.target.stored in graft.added) is added:
            live = names.live(whole.target)
            _put(model, live, _tensor(graft, whole.key), alone=graft.untied)


def put_rows(model: nn.Module, graft: Graft, names: Names) -> None:
    """Overwrite the rows that were learned one by one."""
    for key, rows in graft.rows:
        live = names.live(Target(stored=rows.stored, need=rows.stored))
        value = model.get_parameter(live).detach().clone()
        value[list(rows.places)] = _tensor(graft, key).to(value)
        _put(model, live, value, alone=graft.untied)


def _put(model: nn.Module, live: str, value: torch.Tensor, *, alone: bool) -> None:
    """Replace a tensor; what is tied to it gets the same, unless it stands `alone` from then on."""
    from torch import nn

    path, _, last = live.rpartition(".")
    holder = model.get_submodule(path)
    before: torch.Tensor = getattr(holder, last)
    value = value.to(before)
    if not isinstance(before, nn.Parameter):
        setattr(holder, last, value)
        return
    after = nn.Parameter(value, requires_grad=False)
    for module in [holder] if alone else list(model.modules()):
        for name, tensor in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            if tensor is before:
                setattr(module, name, after)


def _tensor(graft: Graft, key: str) -> torch.Tensor:
    from safetensors import safe_open

    with safe_open(graft.file, framework="pt") as file:
        found: torch.Tensor = file.get_tensor(key)
    return found


def put_adapters(model: nn.Module, grafts: Sequence[Graft], names: Names) -> None:
    """Put the adapters' layers on the model, unmerged, in float32.

    Raises:
        Unloadable: a tensor of an adapter has another shape than its place.
        Broken: a tensor of an adapter has no place, or a place no tensor.
    """
    with_layers = [graft for graft in grafts if graft.modules]
    wrapped = None
    # PEFT's layers are put on a model without weights, where what is missing can be told.
    with _emptied(model):
        for number, graft in enumerate(with_layers):
            values, tensors = _renamed(model, graft, names)
            try:
                if wrapped is None:
                    wrapped = _first(model, values, tensors)
                else:
                    _another(wrapped, values, tensors, f"a{number}")
            except SizeMismatch as e:
                raise Unloadable(f"`{graft.label}`: {e}") from e
    labels = [FIRST, *(f"a{n}" for n in range(1, len(with_layers)))]
    for layer in layers(model).values():
        for label, graft in zip(labels, with_layers, strict=True):
            if graft.weight != 1 and label in layer.scaling:
                layer.scaling[label] *= graft.weight
        if len(labels) > 1:
            layer.set_adapter([n for n in labels if n in layer.scaling])


def _renamed(
    model: nn.Module, graft: Graft, names: Names
) -> tuple[Mapping[str, Any], Mapping[str, torch.Tensor]]:
    """The adapter's config and its method's tensors, under live names and as the installed PEFT reads them."""
    from safetensors.torch import load_file

    lives = {
        module: names.live(target).rpartition(".")[0] for module, target in graft.modules.items()
    }
    other = {w.key for w in graft.saved} | {key for key, _ in graft.rows}
    tensors = {
        key: value
        for key, value in load_file(graft.file).items()
        if key not in other and not _is_beside(key)
    }
    for fused in graft.fused:
        tensors |= as_peft_reads(fused, tensors, model.get_submodule(lives[fused.module]))
    config = json.loads(Path(graft.folder, ADAPTER_CONFIG).read_bytes())
    values = {k: v for k, v in config.items() if k not in FIELDS}
    try:
        return aimed(values, lives, exactly=not graft.parameters), moved_tensors(tensors, lives)
    except Misfit as e:
        raise Broken(str(e)) from e


def _is_beside(key: str) -> bool:
    """A spare copy, which PEFT saves and doesn't load."""
    return ".modules_to_save." in key or ".original_module." in key


def _first(model: nn.Module, values: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Any:
    """PEFT's model of the first adapter.

    Raises:
        SizeMismatch: a tensor has another shape than its place.
        Broken: PEFT can't load it for another reason.
    """
    try:
        return inject(model, values, tensors)
    except SizeMismatch:
        raise
    except Misfit as e:
        raise Broken(str(e)) from e


def _another(
    wrapped: Any, values: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], name: str
) -> None:
    """Put a further adapter on PEFT's model.

    Raises:
        SizeMismatch: a tensor has another shape than its place.
        Broken: a tensor has no place, or a place no tensor.
    """
    import peft

    config = peft.LoraConfig(**{**values, "inference_mode": True})
    wrapped.add_adapter(name, config)
    places = peft.get_peft_model_state_dict(wrapped, adapter_name=name, save_embedding_layers=False)
    differ = sorted(places.keys() ^ tensors.keys())
    if differ:
        raise Broken(f"PEFT has no place, or another one, for {len(differ)} such as `{differ[0]}`")
    for key, value in tensors.items():
        if (there := places[key].shape) != value.shape:
            sizes = f"shape {list(value.shape)}, and its layer {list(there)}"
            raise SizeMismatch(f"peft {peft.__version__} can't load it: `{key}` has {sizes}")
    peft.set_peft_model_state_dict(wrapped, dict(tensors), adapter_name=name)


@contextmanager
def _emptied(model: nn.Module) -> Iterator[None]:
    """The model without its weights; each module has its own again at the end."""
    kept: list[tuple[dict[str, Any], str, torch.Tensor]] = []
    empty: dict[int, torch.Tensor] = {}
    for module in model.modules():
        # torch has no public setter for either.
        both: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)  # noqa: SLF001
        for held in both:
            kept += [(held, name, t) for name, t in held.items() if t is not None]
    for held, name, tensor in kept:
        held[name] = empty.setdefault(id(tensor), hollow_like(tensor))
    try:
        yield
    finally:
        for held, name, tensor in kept:
            held[name] = tensor


def layers(model: nn.Module) -> dict[str, Any]:
    """PEFT's layers on the model, by the path of the module that each adapts."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return {n: m for n, m in model.named_modules() if isinstance(m, BaseTunerLayer)}


@contextmanager
def watched(model: nn.Module) -> Iterator[set[str]]:
    """Gives the adapted modules that were not called, whole at first, smaller with every call."""
    there = layers(model)
    idle = set(there)
    hooks = [
        layer.register_forward_hook(lambda *_, name=name: idle.discard(name))
        for name, layer in there.items()
    ]
    try:
        yield idle
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def without(model: nn.Module, tower: str) -> Iterator[None]:
    """The model as if nothing in one tower were adapted."""
    there = [layer for name, layer in layers(model).items() if tower in towers([name])]
    for layer in there:
        layer.enable_adapters(enabled=False)
    try:
        yield
    finally:
        for layer in there:
            layer.enable_adapters(enabled=True)


def fold(model: nn.Module, names: Names, dtypes: Mapping[str, str]) -> None:
    """Merge with PEFT in float32, then round every weight once to the dtype that its file has."""
    import torch
    from torch import nn

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on several, PEFT differs from itself on one
    try:
        for layer in layers(model).values():
            base = layer.get_base_layer()
            # A tied weight would pass its change on; unmerged, a layer changes its own module only.
            for name, value in list(base._parameters.items()):  # noqa: SLF001 - torch has no public setter
                if value is not None:
                    setattr(base, name, nn.Parameter(value.detach().clone(), requires_grad=False))
            layer.merge(adapter_names=layer.active_adapters)
    finally:
        torch.set_num_threads(threads)
    wanted = {n: d for stored, d in dtypes.items() for n in names.skeleton.place(stored).live}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            dtype = _FLOATS.get(wanted.get(name.replace(".base_layer", ""), ""))
            if dtype is not None:
                parameter.copy_(parameter.to(getattr(torch, dtype)))
