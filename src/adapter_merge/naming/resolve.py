"""Find the one reading of an adapter's names that covers everything, or say what each attempt covered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from adapter_merge.checkpoint import Checkpoint
from adapter_merge.errors import Ambiguous, ShapeMismatch, UnsupportedError
from adapter_merge.naming.attempt import Attempt, Target
from adapter_merge.naming.classes import class_tiers
from adapter_merge.naming.cover import Cover
from adapter_merge.naming.join import Joined
from adapter_merge.naming.quick import quick_tiers
from adapter_merge.naming.uncovered import Tried, uncovered
from adapter_merge.plan import Need
from adapter_merge.skeleton import Absent, skeleton_of

_SHOWN = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """Adapter's name -> target, for every need that has one; `how` says by which attempt."""

    how: str
    targets: Mapping[str, Target]


def resolve(
    needs: Sequence[Need], checkpoint: Checkpoint, config: Mapping[str, Any], *, label: str
) -> Names:
    """Join an adapter's names with a base's; `config` is the base's, `label` what messages call the adapter.

    All required needs must find a tensor that fits, by one attempt and in one way. A need that isn't
    required stays without one only where no attempt that covers the others finds one. torch and
    transformers are imported only where the names alone don't tell.

    Raises:
        MissingTarget: a module has no tensor under any attempt.
        ShapeMismatch: the names are there, the shapes are others.
        Ambiguous: everything is covered in several ways.
        AdapterKind: a module shares its weight with others that the file holds instead.
        UnsupportedError: a tensor of the model is made from several of the file, or from a part of one.
    """
    covers: list[Cover] = []
    found = _best_total(quick_tiers(config, checkpoint), needs, covers, label=label)
    if found is None or found.new:
        known = _known(config, checkpoint)
        if isinstance(known, Joined):
            tiers = class_tiers(known, needs)
            found = _best_total(tiers, needs, covers, label=label, best=found)
        if found is None:
            covers_all = partial(_is_covered, config=config, checkpoint=checkpoint, known=known)
            raise uncovered(
                Tried(label=label, needs=needs, covers=covers, known=known, covers_all=covers_all)
            )
        _refuse_found(found, covers, label)
    _refuse_made(found, label)
    return Names(how=found.how, targets=found.targets)


def _known(config: Mapping[str, Any], checkpoint: Checkpoint) -> Joined | Absent:
    """The file with its class."""
    skeleton = skeleton_of(config, checkpoint.tensors)
    if isinstance(skeleton, Absent):
        return skeleton
    return Joined(skeleton=skeleton, checkpoint=checkpoint)


def _is_covered(
    needs: Sequence[Need],
    *,
    config: Mapping[str, Any],
    checkpoint: Checkpoint,
    known: Joined | Absent,
) -> bool:
    """Whether some reading covers these needs."""
    tiers = [*quick_tiers(config, checkpoint)]
    tiers += class_tiers(known, needs) if isinstance(known, Joined) else ()
    return any(Cover.of(attempt, needs).is_total for tier in tiers for attempt in tier)


def _best_total(
    tiers: Iterator[tuple[Attempt, ...]],
    needs: Sequence[Need],
    tried: list[Cover],
    *,
    label: str,
    best: Cover | None = None,
) -> Cover | None:
    """The total cover that leaves the fewest saved tensors without a target; of those the one of the first tier.

    `best` is that of earlier tiers; `tried` gets all covers that were looked at.
    """
    for tier in tiers:
        covers = [Cover.of(attempt, needs) for attempt in tier]
        tried += covers
        found = _one_total(covers, label)
        if found is not None and (best is None or len(found.new) < len(best.new)):
            if best is not None and not best.reached <= found.reached:
                raise _ambiguous([best, found], label)
            best = found
        if best is not None and not best.new:
            break
    return best


def _one_total(covers: Sequence[Cover], label: str) -> Cover | None:
    """The one total cover of a tier that leaves the fewest saved tensors without a target."""
    total = [c for c in covers if c.is_total]
    fewest = min((len(c.new) for c in total), default=0)
    apart: dict[object, Cover] = {}
    for cover in total:
        if len(cover.new) == fewest:
            apart.setdefault(cover.reached, cover)
    if len(apart) > 1:
        raise _ambiguous(list(apart.values()), label)
    return next(iter(apart.values()), None)


def _ambiguous(covers: Sequence[Cover], label: str) -> Ambiguous:
    ways = "; ".join(c.how for c in covers)
    return Ambiguous(
        f"the modules of `{label}` fit the base in more than one way: {ways}",
        hint="Save the adapter from the class that the base was saved from.",
    )


def _refuse_found(best: Cover, tried: Sequence[Cover], label: str) -> None:
    """Refuse a saved tensor that would be added, though the base has it under another name.

    Raises:
        ShapeMismatch: the base's tensor has another shape.
        Ambiguous: another tensor of the adapter is the same one of the base.
    """
    for need in best.new:
        for cover in (c for c in tried if not c.missing):
            target = cover.targets.get(need.name)
            if target is None:
                continue
            held = f"the base has it as `{target.tensors[0]}` {list(target.info.shape)}"
            if not need.fits(target.info):
                raise ShapeMismatch(
                    f"`{label}` saved `{need.name}` with another shape: {held} ({cover.how})",
                    hint="Name the base that has this size with `--base`.",
                )
            raise Ambiguous(
                f"`{label}` saved `{need.name}`, and {held}, which the adapter changes under another "
                f"name too ({cover.how})",
                hint="Save the adapter again with PEFT, so that it holds each tensor under one name.",
            )


def _refuse_made(cover: Cover, label: str) -> None:
    for name, target in cover.targets.items():
        if not target.can_be_edited:
            there = ", ".join(f"`{n}`" for n in target.tensors[:_SHOWN])
            more = (
                f" and {len(target.tensors) - _SHOWN} more" if len(target.tensors) > _SHOWN else ""
            )
            raise UnsupportedError(
                f"`{label}` changes `{name}`, which the base holds in another layout: transformers makes "
                f"it from {there}{more} ({target.converter})",
                hint="Merge it with PEFT: `merge_and_unload`, then `save_pretrained`; `adapter-merge check` "
                "looks at what comes out.",
            )
