"""Adapters that hold only some of the layers that their config selects, as of a file that was cut."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from adapter_merge.adapters import Claim
from adapter_merge.errors import Corrupt
from adapter_merge.modules import Seat, seat
from adapter_merge.plan import PlanWarning
from adapter_merge.sources import Adapter, Base

_COUNTS = (
    "num_hidden_layers",
    "num_layers",
    "n_layer",
    "n_layers",
    "encoder_layers",
    "decoder_layers",
)
_DEEPEST = 8


def part_of_layers(claims: Sequence[Claim], base: Base) -> Iterator[PlanWarning]:
    """A warning for each list of layers of which an adapter leaves out some whole.

    A layer is missed only where the base has a module there that is adapted in other layers, and where the
    config selects it too.
    """
    held: dict[tuple[int, str], list[Claim]] = defaultdict(list)
    for claim in claims:
        place = seat(claim.name)
        if place.layer is not None and claim.contribution.shape is None:
            held[id(claim.adapter), place.stack].append(claim)
    most = _most_layers(base.config, _DEEPEST)
    for (_, stack), own in held.items():
        adapted = {seat(claim.name).layer for claim in own}
        others = sorted(_layers_of(base, stack, most) - adapted)
        missing = _missed(others, own, base)
        if missing:
            yield PlanWarning(
                code="T011",
                message=f"`{own[0].adapter.pinned.source}` adapts {len(adapted)} of "
                f"{len(adapted) + len(missing)} layers of `{stack}`, and its config selects all of them: its file "
                f"may be incomplete (the first one missing is {missing[0]})",
            )


def _missed(others: Sequence[int], own: Sequence[Claim], base: Base) -> Sequence[int]:
    """Those layers that have a module which is adapted elsewhere, and selected here."""
    kinds = {seat(claim.name).kind: claim for claim in own}
    twins: dict[str, int] = {}
    for number in others:
        for claim in kinds.values():
            module = claim.contribution.need.module
            there = _renumbered(claim.name, seat(claim.name), number)
            twin = _renumbered(module, seat(f"{module}.weight"), number)
            if there in base.checkpoint.tensors and twin is not None:
                twins[twin] = number
    chosen = _selected(own[0].adapter, twins)
    return sorted({number for twin, number in twins.items() if twin in chosen})


def _renumbered(name: str, place: Seat, number: int) -> str | None:
    """The name of the same thing in another layer."""
    start = f"{place.stack}.{place.layer}."
    if place.layer is None or not name.startswith(start):
        return None
    return f"{place.stack}.{number}.{name.removeprefix(start)}"


def _selected(adapter: Adapter, modules: Collection[str]) -> Collection[str]:
    config = adapter.config
    if config.target_modules in {None, "all-linear"}:
        return modules if config.layers_to_transform in {None, ()} else ()
    try:
        return config.selected(modules, label=adapter.pinned.source) if modules else ()
    except Corrupt:  # T011 says so
        return ()


def _layers_of(base: Base, stack: str, most: int | None) -> set[int]:
    """The layers of a list in the file; those past the number in the config are of no forward pass."""
    places = (seat(name) for name in base.checkpoint.tensors if name.startswith(f"{stack}."))
    found = {p.layer for p in places if p.stack == stack and p.layer is not None}
    return {n for n in found if most is None or n < most}


def _most_layers(config: Mapping[str, Any], deep: int) -> int | None:
    """The largest number of layers that a config, or one inside it, names."""
    own = [v for k in _COUNTS if isinstance(v := config.get(k), int)]
    nested = [v for v in config.values() if isinstance(v, Mapping)] if deep else []
    own += [n for v in nested if (n := _most_layers(v, deep - 1)) is not None]
    return max(own, default=None)
