"""The live names of a class, and transformers' own way from a file's key to one of them.

The rules are objects of transformers, so whoever holds a `Skeleton` has imported it already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from adapter_merge.skeleton.joint import Joint, joint_of, turns

if TYPE_CHECKING:
    from transformers.core_model_loading import WeightConverter, WeightRenaming


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a name leads.

    Attributes:
        live: the live tensors that the named one becomes, or becomes a part of; the name itself where
            nothing of the model is called so.
        stored: the name as today's loader reads it, before a converter acts: `live` where none does.
        converter: the operations that act on the tensor; None where its bytes are the live tensor's.
        looks: whether the converter leaves a tensor alone that has the live shape already.
        splits: whether all that the converter does is to cut the tensor's rows into `live`, in order.
        joint: where the tensor lies in the live one, if all that the converter does is to put it there.
        turns: whether all that the converter does is to swap the last two of three dimensions.
    """

    live: tuple[str, ...]
    stored: str
    converter: str | None = None
    looks: bool = False
    splits: bool = False
    joint: Joint | None = None
    turns: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A model inside the model: its path, and what its own kind puts before it (`base_model_prefix`)."""

    path: str
    prefix: str


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """The live names of a class, and the rules that lead to them.

    Attributes:
        version: whose names they are: the installed transformers.
        name: the class.
        shapes: every live tensor that a file may hold, with its shape.
        computed: those of them that the class computes where a file lacks them: buffers, and what it declares.
        unsized: those of them whose shape is the file's, whatever stands in `shapes`.
        prefix: `base_model_prefix` of the whole; empty where it has none.
        parts: all models inside it, outermost first.
        tied: live name -> the live name whose storage it shares.
        renamings: transformers' renamings, in order.
        converters: transformers' converters; at most one acts on a name.
    """

    version: str
    name: str
    shapes: Mapping[str, tuple[int, ...]]
    prefix: str
    parts: tuple[Part, ...]
    tied: Mapping[str, str]
    renamings: tuple[WeightRenaming, ...]
    converters: tuple[WeightConverter, ...]
    computed: frozenset[str] = frozenset()
    unsized: frozenset[str] = frozenset()

    def place_of(self, key: str, shape: tuple[int, ...]) -> Place:
        """Where a tensor of a file leads. Keys of a file are given `in_order`, as some rules look back."""
        place = self.place(key)
        if place.looks and shape == self.shapes.get(place.live[0]):
            return Place(live=place.live, stored=place.stored)
        if place.converter is None and place.stored not in self.shapes:
            live = self.shifted(key)
            return Place(live=(live,), stored=live)
        return place

    def place(self, name: str) -> Place:
        """Follow transformers' loader: all renamings, at most one converter, then the base's prefix."""
        from transformers.core_model_loading import rename_source_key

        renamings, converters = list(self.renamings), list(self.converters)
        renamed, _ = rename_source_key(name, renamings, [])
        first, pattern = rename_source_key(renamed, [], converters)
        if pattern is None:
            plain = self.shifted(renamed)
            return Place(live=(plain,), stored=plain)
        acting, aims = next(w for w in self._aims if pattern in w[0].source_patterns)
        operations = acting.operations
        return Place(
            live=tuple(self.shifted(aim.rename_source_key(renamed)[0]) for aim in aims),
            stored=_like(first, self.shifted(first), renamed),
            converter=", ".join(type(o).__name__ for o in operations),
            looks=all(getattr(o, "check_dims", False) for o in operations),
            splits=len(operations) == 1 and _splits_rows(operations[0]),
            joint=joint_of(acting, pattern, renamed),
            turns=turns(acting),
        )

    def shifted(self, name: str) -> str:
        """The live name that a name is with or without the base's prefix; the name where there is none."""
        bare = name.removeprefix(f"{self.prefix}.") if self.prefix else name
        if bare != name and bare in self.shapes:
            return bare
        return longer if (longer := f"{self.prefix}.{name}") in self.shapes else name

    def meant(self, stored: str, name: str) -> str | None:
        """The one live tensor that the file's `stored` is, or that an adapter's `name` for it means."""
        place = self.place(stored)
        if len(place.live) == 1 and not place.converter and place.live[0] in self.shapes:
            return place.live[0]
        meant = self.shifted(name)
        return meant if meant in place.live and meant in self.shapes else None

    def in_order(self, keys: Iterable[str]) -> Sequence[str]:
        """Keys of a file in the order in which the loader takes them, as some rules look back."""
        from transformers.core_model_loading import dot_natural_key

        return sorted(keys, key=dot_natural_key)

    @cached_property
    def _aims(self) -> Sequence[tuple[WeightConverter, tuple[WeightRenaming, ...]]]:
        """Every converter with the ways to the live names that it makes of a tensor and its siblings."""
        return [(c, tuple(_aim(c, t) for t in c.target_patterns)) for c in self.converters]

    @cached_property
    def groups(self) -> tuple[frozenset[str], ...]:
        """The live tensors that are one."""
        sources = dict.fromkeys(self.tied.values())
        return tuple(frozenset({s, *(n for n, o in self.tied.items() if o == s)}) for s in sources)


def _splits_rows(operation: object) -> bool:
    """`Chunk` and `Split` along dimension 0, into the converter's own targets."""
    kind = type(operation).__name__
    counted = getattr(operation, "num_shards_attribute", None)
    return kind in {"Chunk", "Split"} and getattr(operation, "dim", None) == 0 and counted is None


def _aim(converter: WeightConverter, target: str) -> WeightRenaming:
    """Renames what a converter takes to that one of its targets."""
    from transformers.core_model_loading import WeightRenaming

    alone = WeightRenaming(list(converter.source_patterns), target)
    for scope in ("scope_prefix", "base_model_prefix"):
        setattr(alone, scope, getattr(converter, scope))
    return alone


def _like(before: str, after: str, name: str) -> str:
    """`name` with the leading part added or taken off that made `after` from `before`."""
    if after.endswith(before):
        return after.removesuffix(before) + name
    return name.removeprefix(before.removesuffix(after))
