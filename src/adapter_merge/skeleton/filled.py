"""What the tensors of a file fill of a class, and what stays empty when transformers loads them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapter_merge.skeleton.build import Absent, skeleton_of
from adapter_merge.skeleton.family import architectures
from adapter_merge.skeleton.tree import Place, Skeleton


@dataclass(frozen=True, kw_only=True, slots=True)
class Filled:
    """A file against a class.

    Attributes:
        name: the class.
        stated: whether `config.json` names that class; else it is the one that transformers takes instead.
        unread: tensors of the file that become no live tensor; the loader leaves them out.
        doubled: live tensor -> the tensors of the file that each become it whole; the loader keeps one of them.
        misshapen: live tensor -> the tensor of the file that is meant for it and has another shape.
        unfilled: live parameters that no tensor fills; the loader draws random values for them.
        unset: live tensors that no tensor fills, and that the class computes itself.
    """

    name: str
    stated: bool
    unread: tuple[str, ...]
    doubled: Mapping[str, tuple[str, ...]]
    misshapen: Mapping[str, str]
    unfilled: tuple[str, ...]
    unset: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class AsBefore:
    """A result whose tensors have the names and shapes of the base's, for the same class."""


# Keys of a config that no class is chosen or built by, and that a merge may change.
_OTHER_KEYS = frozenset(
    {
        "_name_or_path",
        "dtype",
        "eos_token_id",
        "pad_token_id",
        "torch_dtype",
        "transformers_version",
    }
)
# Spellings of one parameter in files of several releases.
_SPELLINGS = ((".gamma", ".weight"), (".beta", ".bias"))


def same_class(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two configs build the same class with the same sizes."""
    return bool(_structure(one) == _structure(other))


def _structure(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {k: _structure(v) for k, v in value.items() if k not in _OTHER_KEYS}


def may_double(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether two tensors of a file may be the same parameter, as far as names and shapes tell.

    One name is the other behind a prefix, or the older spelling of the other.
    """
    for name, shape in shapes.items():
        inner = name.partition(".")[2]
        others = [inner, *(name.removesuffix(a) + b for a, b in _SPELLINGS if name.endswith(a))]
        if any(shapes.get(other) == shape for other in others if other):
            return True
    return False


def file_filled(
    config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> Filled | Absent:
    """What tensors with these names and shapes fill of the class that `config.json` names."""
    skeleton = skeleton_of(config, shapes)
    if isinstance(skeleton, Absent):
        return skeleton
    return filled_by(shapes, skeleton, stated=skeleton.name in architectures(config))


def filled_by(
    shapes: Mapping[str, tuple[int, ...]], skeleton: Skeleton, *, stated: bool = True
) -> Filled:
    """What tensors with these names and shapes fill. A tie fills all of its members.

    A tensor that a converter works on counts as filling what the converter makes.
    """
    places = {n: skeleton.place_of(n, shapes[n]) for n in skeleton.in_order(shapes)}
    live = {n: tuple(x for x in p.live if x in skeleton.shapes) for n, p in places.items()}
    misshapen = {
        live[n][0]: n
        for n, p in places.items()
        if live[n] and p.converter is None and not _fits(live[n][0], shapes[n], skeleton)
    }
    filled = {x for names in live.values() for x in names} - misshapen.keys()
    for group in skeleton.groups:
        if group & filled:
            filled |= group
    empty = [n for n in skeleton.shapes if n not in filled]
    return Filled(
        name=skeleton.name,
        stated=stated,
        unread=tuple(n for n, names in live.items() if not names),
        doubled=_doubled(places, live),
        misshapen={n: misshapen[n] for n in empty if n in misshapen},
        unfilled=tuple(n for n in empty if n not in skeleton.computed),
        unset=tuple(n for n in empty if n in skeleton.computed),
    )


def _fits(live: str, shape: tuple[int, ...], skeleton: Skeleton) -> bool:
    return live in skeleton.unsized or skeleton.shapes[live] == shape


def _doubled(
    places: Mapping[str, Place], live: Mapping[str, tuple[str, ...]]
) -> Mapping[str, tuple[str, ...]]:
    """Live tensors that two names lead to, but for those that a converter puts together from all of them."""
    sources: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, place in places.items():
        for one in live[name]:
            sources[one][place.stored].append(name)
    found: dict[str, tuple[str, ...]] = {}
    for one, stored in sources.items():
        whole = [n for names in stored.values() for n in names if places[n].converter is None]
        twice = [n for names in stored.values() if len(names) > 1 for n in names]
        names = [n for group in stored.values() for n in group]
        if wrong := (names if whole and len(names) > 1 else twice):
            found[one] = tuple(wrong)
    return found
