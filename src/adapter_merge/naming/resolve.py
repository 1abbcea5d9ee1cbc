"""Find the one reading of an adapter's names that covers everything, or say what each attempt covered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapter_merge.checkpoint import Checkpoint
from adapter_merge.errors import (
    Ambiguous,
    MissingTarget,
    PlanError,
    ShapeMismatch,
    UnsupportedError,
)
from adapter_merge.naming.attempt import Attempt, Target
from adapter_merge.naming.classes import class_tiers
from adapter_merge.naming.cover import Cover
from adapter_merge.naming.join import Joined
from adapter_merge.naming.quick import quick_tiers
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

    All required needs must find a tensor that fits, by one attempt and in one way; a need that isn't
    required may stay without one. torch and transformers are imported only where the names alone don't
    tell.

    Raises:
        MissingTarget: a module has no tensor under any attempt.
        ShapeMismatch: the names are there, the shapes are others.
        Ambiguous: everything is covered in several ways.
        UnsupportedError: a tensor of the model is made from several of the file, or from a part of one.
    """
    tried: list[Cover] = []
    found = _first_total(quick_tiers(config, checkpoint), needs, tried, label=label)
    if found is None:
        skeleton = skeleton_of(config, checkpoint.tensors)
        if isinstance(skeleton, Absent):
            raise _no_cover(tried, label, f"not asked: the model's class, which {skeleton.why}")
        joined = Joined(skeleton=skeleton, checkpoint=checkpoint)
        found = _first_total(class_tiers(joined, needs), needs, tried, label=label)
        if found is None:
            raise _no_cover(tried, label, f"as of transformers {skeleton.version}")
    _refuse_made(found, label)
    return Names(how=found.how, targets=found.targets)


def _first_total(
    tiers: Iterator[tuple[Attempt, ...]], needs: Sequence[Need], tried: list[Cover], *, label: str
) -> Cover | None:
    """The one total cover of the first tier that has any; `tried` gets all covers that were looked at."""
    for tier in tiers:
        covers = [Cover.of(attempt, needs) for attempt in tier]
        tried += covers
        total: dict[object, Cover] = {}
        for cover in covers:
            if cover.is_total:
                total.setdefault(cover.reached, cover)
        if len(total) > 1:
            ways = "; ".join(c.how for c in total.values())
            raise Ambiguous(
                f"the modules of `{label}` fit the base in more than one way: {ways}",
                hint="Save the adapter from the class that the base was saved from.",
            )
        if total:
            return next(iter(total.values()))
    return None


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


def _no_cover(tried: Sequence[Cover], label: str, asked: str) -> PlanError:
    """`asked`: which class told the names, or why none did."""
    order = sorted(tried, key=lambda c: c.rank)
    best, attempts = order[0], "; ".join([*(str(c) for c in order[:_SHOWN]), asked])
    if best.missing:
        return MissingTarget(
            f"the base has no tensor for {_listed(best.missing)} of `{label}` ({attempts})",
            hint="Name the base that the adapter was trained on with `--base`.",
        )
    if not best.unfit:
        return Ambiguous(
            f"several modules of `{label}` are the same tensor of the base ({attempts})",
            hint="Save the adapter again with PEFT.",
        )
    return ShapeMismatch(
        f"the shapes of {_listed(best.unfit)} in the base don't fit the factors of `{label}` "
        f"({attempts})",
        hint="Name the base that the adapter was trained on with `--base`: same names, another size.",
    )


def _listed(needs: Sequence[Need]) -> str:
    names = ", ".join(f"`{n.name}`" for n in needs[:_SHOWN])
    return f"{names} and {len(needs) - _SHOWN} more" if len(needs) > _SHOWN else names
