"""What one attempt reached: which needs have a target, and whether it fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapter_merge.naming.attempt import Attempt, Target
from adapter_merge.plan import Need


@dataclass(frozen=True, kw_only=True, slots=True)
class Cover:
    """The needs that an attempt found.

    Attributes:
        how: the attempt, as a clause for people.
        targets: the target of every need that was found.
        missing: required needs without a target.
        new: saved tensors without a target: they are added where no other attempt finds one.
        unfit: needs whose target has another shape.
    """

    how: str
    targets: Mapping[str, Target]
    missing: tuple[Need, ...]
    new: tuple[Need, ...]
    unfit: tuple[Need, ...]

    @classmethod
    def of(cls, attempt: Attempt, needs: Sequence[Need]) -> Cover:
        """Try every need."""
        found = [(n, attempt.find(n.name)) for n in needs]
        return cls(
            how=attempt.how,
            targets={n.name: t for n, t in found if t is not None},
            missing=tuple(n for n, t in found if t is None and n.required),
            new=tuple(n for n, t in found if t is None and not n.required),
            unfit=tuple(n for n, t in found if t is not None and not n.fits(t.info)),
        )

    @property
    def is_total(self) -> bool:
        """Whether every required need has a target, each of its own, and all fit."""
        return not any(self.rank)

    @property
    def reached(self) -> frozenset[tuple[str, str, tuple[str, ...]]]:
        """What makes two covers the same."""
        return frozenset((n, t.info.name, t.tensors) for n, t in self.targets.items())

    @property
    def rank(self) -> tuple[int, int, int]:
        """The smaller, the nearer to a total cover: missing, unfit, and met by another need already."""
        apart = {(t.info.name, t.tensors) for t in self.targets.values()}
        return len(self.missing), len(self.unfit), len(self.targets) - len(apart)

    def __str__(self) -> str:
        found = len(self.targets)
        shapes = f", {len(self.unfit)} of them with another shape" if self.unfit else ""
        twice = ", some of them twice" if self.rank[2] else ""
        return f"{self.how}: {found} of {found + len(self.missing)} found{shapes}{twice}"
