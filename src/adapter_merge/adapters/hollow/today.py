"""What the modules of an adapter are called in the class as the installed transformers builds it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from adapter_merge.adapters.hollow.inject import Misfit
from adapter_merge.plan import LayerTensor
from adapter_merge.skeleton import Skeleton
from adapter_merge.sources import Adapter

_INSIDE_ATTENTION = ".out_proj"


def todays(
    planned: Mapping[LayerTensor, str], modules: Iterable[str], skeleton: Skeleton
) -> dict[str, str]:
    """The adapter's name of each of its `modules` -> the live one.

    `planned` has every tensor that a layer changes, and the file's tensor that naming found for it.

    Raises:
        Misfit: a module isn't one module of the class, or two of them are the same.
    """
    lives = {layer.module: _live(layer, stored, skeleton) for layer, stored in planned.items()}
    for module in modules:
        around = module.removesuffix(_INSIDE_ATTENTION)
        if module not in lives and around != module and around in lives:
            lives[module] = lives[around] + _INSIDE_ATTENTION  # the attention merges it too
    if len(set(lives.values())) < len(lives):
        raise Misfit("two of its modules are one module today")
    return lives


def _live(layer: LayerTensor, stored: str, skeleton: Skeleton) -> str:
    name = f"{layer.module}.{layer.parameter}"
    found = skeleton.meant(stored, name)
    end = f".{layer.parameter}"
    if found is None or not found.endswith(end):
        raise Misfit(f"its `{name}` is no parameter of its own in the model as it is loaded")
    for group in skeleton.groups:
        if found in group:  # a layer changes its own module only, not what shares the weight
            found = _same_end(layer.module, end, group) or found
    return found.removesuffix(end)


def _same_end(module: str, end: str, group: frozenset[str]) -> str | None:
    own = f"{module.rpartition('.')[2]}{end}"
    same = [n for n in group if n == own or n.endswith(f".{own}")]
    return same[0] if len(same) == 1 else None


def check_chosen(adapter: Adapter, lives: Mapping[str, str], skeleton: Skeleton) -> None:
    """PEFT would find each of the modules by the config, under the adapter's names, and no others beside them.

    Raises:
        Misfit: config and file are of different modules.
    """
    if adapter.config.target_modules in (None, "all-linear"):
        return
    label = adapter.pinned.source
    beside = set(_beside(lives, skeleton)) - lives.keys()
    chosen = adapter.config.selected({*lives, *beside}, label=label)
    if (adapter.config.model_extra or {}).get("ensure_weight_tying"):
        chosen |= {m for m, live in lives.items() if f"{live}.weight" in skeleton.tied}
    for module in sorted(lives.keys() - chosen):
        raise Misfit(f"its config doesn't choose `{module}`, which its file has")
    for module in sorted(chosen & beside):
        raise Misfit(f"its file lacks `{module}`, which its config chooses")


def _beside(lives: Mapping[str, str], skeleton: Skeleton) -> Iterator[str]:
    """Modules of the parts of the class that are adapted and renamed, as the adapter would call them."""
    there = {name.rpartition(".")[0] for name in skeleton.shapes} - set(lives.values())
    for old, live in {_heads(module, live) for module, live in lives.items()}:
        inner = (
            n for n in there if old != live and f".{n}.".startswith(f".{live}." if live else "")
        )
        yield from (f"{old}.{n.removeprefix(live).lstrip('.')}".lstrip(".") for n in inner)


def _heads(module: str, live: str) -> tuple[str, str]:
    """What is left of both names without the end that they share."""
    old, new = module.split("."), live.split(".")
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    return ".".join(old), ".".join(new)
