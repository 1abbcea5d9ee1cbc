"""Whether today's loaders find all of an adapter that lies beside its base: PEFT is asked, without weights.

A name that the class doesn't have is passed over with a warning at most, and its layer stays without effect.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from adapter_merge.adapters.hollow.classes import classes, emptied
from adapter_merge.adapters.hollow.empty import quiet
from adapter_merge.adapters.hollow.inject import Misfit, inject, said
from adapter_merge.adapters.layered import TOKENS
from adapter_merge.adapters.own import Own, sort_out
from adapter_merge.adapters.refused import reason
from adapter_merge.checkpoint import TensorInfo
from adapter_merge.errors import PlanError
from adapter_merge.folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from adapter_merge.methods import METHODS, Route
from adapter_merge.skeleton import Absent, family_model, skeleton_of
from adapter_merge.skeleton.family import architectures, member_of
from adapter_merge.sources import Adapter, Base

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What came of it.

    Attributes:
        by: the class whose layers take every tensor; empty where none does.
        why: why not, as the end of a sentence; empty where one does.
    """

    by: str = ""
    why: str = ""


def taken(adapter: Adapter, base: Base) -> Taken:
    """Build the class of the base's config without weights, and let PEFT and transformers put the adapter on it.

    They load it by different code: transformers passes over DoRA's vectors, which PEFT takes.
    """
    peft_type = adapter.config.peft_type or ""
    if peft_type not in METHODS or METHODS[peft_type].route is Route.NONE:
        return Taken(why=reason(peft_type))
    known = skeleton_of(base.config, base.checkpoint.tensors.keys())
    if isinstance(known, Absent):
        return Taken(why=f"the class of the base {known.why}")
    try:
        own = sort_out(adapter)
    except PlanError as e:
        return Taken(why=e.message)
    return _first(adapter, own, base)


def _first(adapter: Adapter, own: Own, base: Base) -> Taken:
    """The first class that takes everything, or why the first one doesn't."""
    values = adapter.config.model_dump(mode="json", exclude_unset=True)
    values.pop(TOKENS, None)
    reasons: list[str] = []
    for name, make in _makers(adapter, base):
        try:
            model = emptied(make)
            there = {n: tuple(t.shape) for n, t in model.state_dict().items()}
            inject(model, values, _blank(own.method))
            _check_saved(own, there)
            _load(emptied(make), adapter)
        except Misfit as e:
            reasons.append(f"{e} (on `{name}`)")
        else:
            return Taken(by=name)
    return Taken(why=next(iter(reasons), "transformers has no such class"))


def _makers(adapter: Adapter, base: Base) -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """Classes that may load it; those of the ColPali family aren't in transformers, but their tree is known."""
    shapes = {n: t.shape for n, t in base.checkpoint.tensors.items()}
    member = member_of(base.config, shapes)
    if member is None:
        yield from classes(adapter, base)
        return
    name = next(iter(architectures(base.config)), "")
    yield name, partial(family_model, base.config, member, shapes)


def _load(model: Any, adapter: Adapter) -> None:
    """As `from_pretrained` does it, and as strict as it isn't."""
    with _saved(adapter) as folder, quiet(), _no_bars():
        try:
            found = model.load_adapter(str(folder))
        except Exception as e:
            raise Misfit(f"transformers can't load it: {said(e)}") from e
    if found is None:
        raise Misfit("this transformers doesn't tell which of its tensors it took: update it")
    for names, what in (
        (found.missing_keys, "has no tensor for"),
        (found.unexpected_keys, "passes over"),
        (found.mismatched_keys, "finds another shape for"),
    ):
        if names:
            first = str(min(names, key=str))
            raise Misfit(f"transformers {what} {len(names)} of its tensors, such as `{first}`")


@contextmanager
def _saved(adapter: Adapter) -> Iterator[Path]:
    """A folder with its config and its weights as safetensors; of what was converted they lie apart."""
    if adapter.converted is None:
        yield adapter.weights.parent
        return
    with TemporaryDirectory(prefix="adapter-merge-") as made:
        folder = Path(made)
        shutil.copyfile(adapter.pinned.file(ADAPTER_CONFIG), folder / ADAPTER_CONFIG)
        (folder / ADAPTER_WEIGHTS).symlink_to(adapter.converted.absolute())
        yield folder


@contextmanager
def _no_bars() -> Iterator[None]:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _blank(tensors: Mapping[str, TensorInfo]) -> Mapping[str, torch.Tensor]:
    """Tensors of those shapes that store one number each."""
    import torch

    with quiet():
        return {name: torch.zeros(()).expand(info.shape) for name, info in tensors.items()}


def _check_saved(own: Own, there: Mapping[str, tuple[int, ...]]) -> None:
    """Whole tensors and learned rows need a place of their name; PEFT passes over one without."""
    for name, info in own.whole.plain.items():
        if there.get(name) != info.shape:
            found = f"of shape {list(there[name])}" if name in there else "none"
            raise Misfit(f"its `{name}` of shape {list(info.shape)} finds {found}")
    for module in own.tokens:
        if f"{module}.weight" not in there:
            raise Misfit(f"its rows for `{module}` find none of that name")
