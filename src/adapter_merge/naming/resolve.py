"""Find the one spelling that covers every adapted module, or say what each attempt covered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapter_merge.checkpoint import Checkpoint
from adapter_merge.errors import Ambiguous, MissingTarget, PlanError, ShapeMismatch
from adapter_merge.naming.identity import Identity
from adapter_merge.naming.prefix import BasePrefix
from adapter_merge.naming.rule import Attempt, Rule
from adapter_merge.plan import Need

# In this order: a rule is only tried where no rule before it covered everything.
RULES: tuple[Rule, ...] = (Identity(), BasePrefix())

_SHOWN = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """Adapter's name -> checkpoint's name, for every need; `how` says by which rule."""

    how: str
    tensors: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cover:
    """What an attempt reached.

    `missing`: required needs without a tensor; `unfit`: needs whose tensor has another shape; `found`:
    how many have a tensor, fit or not.
    """

    attempt: Attempt
    names: Mapping[str, str]
    missing: tuple[Need, ...]
    unfit: tuple[Need, ...]
    found: int

    @property
    def is_total(self) -> bool:
        return not self.missing and not self.unfit

    def __str__(self) -> str:
        shapes = f", {len(self.unfit)} of them with another shape" if self.unfit else ""
        return f"{self.attempt.how}: {self.found} of {self.found + len(self.missing)} found{shapes}"


def resolve(needs: Sequence[Need], checkpoint: Checkpoint, *, label: str) -> Names:
    """Join an adapter's names with a checkpoint's.

    All required needs must find a tensor that fits, by one rule and in one way; a need that isn't
    required may stay without one, and keeps its own name. `label` is what messages call the adapter.

    Raises:
        MissingTarget: a module has no tensor under any rule.
        ShapeMismatch: the names are there, the shapes are others.
        Ambiguous: a rule covers everything in several ways.
    """
    tried: list[_Cover] = []
    for rule in RULES:
        covers = [_cover(a, needs, checkpoint) for a in rule.attempts(needs, checkpoint)]
        tried += covers
        total = {tuple(sorted(c.names.items())): c for c in covers if c.is_total}
        if len(total) > 1:
            ways = "; ".join(c.attempt.how for c in total.values())
            raise Ambiguous(
                f"the modules of `{label}` fit the base in more than one way: {ways}",
                hint="Save the adapter from the class that the base was saved from.",
            )
        for cover in total.values():
            return Names(how=cover.attempt.how, tensors=cover.names)
    raise _no_cover(tried, label)


def _cover(attempt: Attempt, needs: Sequence[Need], checkpoint: Checkpoint) -> _Cover:
    targets = [checkpoint.tensors.get(attempt.spell(n.name)) for n in needs]
    names: dict[str, str] = {}
    missing: list[Need] = []
    unfit: list[Need] = []
    for need, target in zip(needs, targets, strict=True):
        names[need.name] = need.name if target is None else target.name
        if target is None:
            missing += [need] * need.required
        elif not need.fits(target):
            unfit.append(need)
    return _Cover(
        attempt=attempt,
        names=names,
        missing=tuple(missing),
        unfit=tuple(unfit),
        found=len(needs) - targets.count(None),
    )


def _no_cover(tried: Sequence[_Cover], label: str) -> PlanError:
    best = min(tried, key=lambda c: (len(c.missing), len(c.unfit)))
    attempts = "; ".join(str(c) for c in sorted(tried, key=lambda c: len(c.missing))[:_SHOWN])
    if best.missing:
        names = ", ".join(f"`{n.name}`" for n in best.missing[:_SHOWN])
        more = f" and {len(best.missing) - _SHOWN} more" if len(best.missing) > _SHOWN else ""
        return MissingTarget(
            f"the base has no tensor for {names}{more} of `{label}` ({attempts})",
            hint="Name the base that the adapter was trained on with `--base`.",
        )
    names = ", ".join(f"`{best.names[n.name]}`" for n in best.unfit[:_SHOWN])
    return ShapeMismatch(
        f"the shapes of {names} in the base don't fit the factors of `{label}` ({attempts})",
        hint="Name the base that the adapter was trained on with `--base`: same names, another size.",
    )
