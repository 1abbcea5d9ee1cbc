"""The layers of a plan's adapters, built before the merge begins and looked up by the steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_merge.adapters.hollow.aim import aimed, moved_tensors
from adapter_merge.adapters.hollow.classes import classes, emptied
from adapter_merge.adapters.hollow.inject import Misfit, SizeMismatch, inject, said
from adapter_merge.adapters.hollow.probe import probe
from adapter_merge.adapters.hollow.sites import Site, Undeclared, sites
from adapter_merge.adapters.hollow.today import check_chosen, todays
from adapter_merge.adapters.layered import TOKENS
from adapter_merge.adapters.own import by_module, sort_out
from adapter_merge.errors import AdapterKind, Corrupt, MergeError, ShapeMismatch
from adapter_merge.plan import AdapterTensor, Layer, Layers, LayerTensor, Load, Plan
from adapter_merge.skeleton import Absent, Skeleton, skeleton_of
from adapter_merge.sources import Adapter, Base, Sources

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """One tensor of a layer; implements `plan.Layer`. Layers are independent, so a lock a layer is enough."""

    site: Site
    parameter: str

    def merge(self, value: torch.Tensor) -> torch.Tensor:
        """See `plan.Layer`."""
        with self.site.lock:
            try:
                return self.site.merge(self.site.alone(self.parameter, value))[self.parameter]
            except Undeclared as e:
                raise MergeError(
                    f"PEFT's layer for `{self.site.module}` changed {e} too, which isn't planned",
                    hint="This is a bug in adapter-merge: report it with the adapter's config.",
                ) from e
            # What a stranger's file holds, such as places outside a weight, is first used here.
            except (IndexError, RuntimeError) as e:
                raise MergeError(
                    f"PEFT's layer for `{self.site.module}` can't merge its adapter: {said(e)}",
                    hint="Save the adapter again with PEFT's `save_pretrained`, or download it again.",
                ) from e

    def error(self, before: torch.Tensor, after: torch.Tensor) -> float:
        """See `plan.Layer`."""
        import torch

        with self.site.lock:
            values = self.site.alone(self.parameter, before)
            others = values
            if len(self.site.changes) > 1:
                # What the others become without content, so that both sides have it.
                others = self.site.merge(self.site.alone(self.parameter, torch.zeros_like(before)))
            return probe(self.site, values, {**others, self.parameter: after})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """What one adapter of a plan is to PEFT.

    Attributes:
        planned: every tensor that its layers change, and the file's tensor that naming found for it.
        values: its config.
        tensors: the method's own.
    """

    adapter: Adapter
    planned: Mapping[LayerTensor, str]
    values: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Form:
    """An adapter as PEFT gets it; `names` are the adapter's own, by those that its modules have here."""

    how: str
    values: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]
    names: Mapping[str, str]


def open_layers(plan: Plan, sources: Sources, load: Load) -> Layers:
    """Build the layers that a plan's edits go through; empty where all is computed natively.

    Raises:
        AdapterKind: adapter, base and PEFT don't fit together.
        Corrupt: an adapter's places lie outside the weight that it changes.
        NotFinite: an adapter's tensor holds a NaN or an infinity.
    """
    planned = {layer: edit.target for edit in plan.edits for layer in edit.layers}
    found: dict[LayerTensor, Layer] = {}
    for index in sorted({layer.adapter for layer in planned}):
        adapter = sources.adapters[index]
        values = adapter.config.model_dump(mode="json", exclude_unset=True)
        values.pop(TOKENS, None)
        part = _Part(
            adapter=adapter,
            planned={layer: t for layer, t in planned.items() if layer.adapter == index},
            values=values,
            tensors=_tensors(adapter, index, load),
        )
        built = _built(part, sources.base)
        for opened in built.values():
            _check_places(opened.site, adapter.pinned.source)
        found |= built
    return found


def _tensors(adapter: Adapter, index: int, load: Load) -> Mapping[str, torch.Tensor]:
    return {
        name: load(AdapterTensor(adapter=index, name=name)) for name in sort_out(adapter).method
    }


def _built(part: _Part, base: Base) -> dict[LayerTensor, Opened]:
    """The layers on the first class that the adapter fits: by its own names, or by today's."""
    label = part.adapter.pinned.source
    known = skeleton_of(base.config, base.checkpoint.tensors.keys())
    if isinstance(known, Absent):
        raise AdapterKind(
            f"`{label}` is merged through PEFT's layers, and the class of the base {known.why}",
            hint="Repair `config.json` of the base, or update transformers.",
        )
    reasons: list[str] = []
    sizes: ShapeMismatch | None = None
    try:
        for form in _forms(part, known):
            tried: dict[str, Misfit] = {}
            for name, make in classes(part.adapter, base):
                try:
                    return _planned(part, form, inject(emptied(make), form.values, form.tensors))
                except Misfit as e:
                    tried[name] = e
            reasons.append(form.how + _first_of(tried))
            sizes = _of_sizes(label, tried)
    except Misfit as e:
        reasons.append(str(e))
    if sizes is not None:
        raise sizes
    raise AdapterKind(
        f"`{label}` can't be merged: " + "; ".join(reasons),
        hint="Save the adapter again with PEFT's `save_pretrained`, or name the base that it was "
        "trained on with `--base`.",
    )


def _of_sizes(label: str, tried: Mapping[str, Misfit]) -> ShapeMismatch | None:
    """The error where the likeliest class takes all of the adapter but its shapes."""
    name, why = next(iter(tried.items()), ("", None))
    if not isinstance(why, SizeMismatch):
        return None
    return ShapeMismatch(
        f"`{label}` does not fit the base: {why} (on `{name}`)",
        hint="Name the base that the adapter was trained on with `--base`: same names, another size.",
    )


def _first_of(tried: Mapping[str, Misfit]) -> str:
    """Why the likeliest class was none, with the names of the others."""
    if not tried:
        return "transformers has no such class"
    (first, why), *others = tried.items()
    more = ", ".join(f"`{name}`" for name, _ in others)
    return f"{why} (on `{first}`{'; tried too: ' if more else ''}{more})"


def _forms(part: _Part, known: Skeleton) -> Iterator[_Form]:
    """The adapter as it is, and under the names that its modules have in the class today, where naming found others.

    Raises:
        Misfit: it can't be told under those.
    """
    yield _Form(how="", values=part.values, tensors=part.tensors, names={})
    modules = by_module(sort_out(part.adapter), part.values["peft_type"])
    lives = todays(part.planned, (m for m in modules if m), known)
    if all(module == live for module, live in lives.items()):
        return
    check_chosen(part.adapter, lives, known)
    yield _Form(
        how="under today's names ",
        values=aimed(part.values, lives, exactly=True),
        tensors=moved_tensors(part.tensors, lives),
        names={live: module for module, live in lives.items()},
    )


def _planned(part: _Part, form: _Form, wrapped: Any) -> dict[LayerTensor, Opened]:
    """The layers that PEFT built, which must be exactly the planned ones.

    Raises:
        Misfit: they are others.
    """
    index = next(iter(part.planned)).adapter
    found = {
        LayerTensor(
            adapter=index, module=form.names.get(site.module, site.module), parameter=parameter
        ): Opened(site=site, parameter=parameter)
        for site in sites(wrapped)
        for parameter in site.changes
    }
    differ = sorted(part.planned.keys() ^ found.keys(), key=lambda layer: layer.module)
    if differ:
        first = differ[0]
        what = (
            "is planned, but PEFT has no layer"
            if first in part.planned
            else "isn't planned, but PEFT has a layer"
        )
        raise Misfit(f"a change of `{first.module}.{first.parameter}` {what} for it on this base")
    return found


def _check_places(site: Site, label: str) -> None:
    """SHiRA's merge writes wherever its file says, outside the weight too: torch doesn't look."""
    for places in getattr(site.layer, "shira_indices", {}).values():
        for found, length in zip(places, site.places["weight"].get().shape, strict=True):
            if found.numel() and not 0 <= int(found.min()) <= int(found.max()) < length:
                raise Corrupt(
                    f"`{label}` has places in `shira_indices` that lie outside the weight of `{site.module}`",
                    hint="Save the adapter again with PEFT's `save_pretrained`, or download it again.",
                )
