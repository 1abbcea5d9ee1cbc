"""A file's tensors under the names of today's model, and the way from a name of an adapter to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from adapter_merge.checkpoint import Checkpoint, TensorInfo
from adapter_merge.naming.attempt import Target
from adapter_merge.naming.pieces import pieces, rows_inside
from adapter_merge.skeleton import Place, Skeleton


@dataclass(frozen=True, kw_only=True)
class Joined:
    """A file and the class that it was saved from."""

    skeleton: Skeleton
    checkpoint: Checkpoint

    @cached_property
    def places(self) -> Mapping[str, Place]:
        """Every key of the file, and where it leads."""
        tensors, skeleton = self.checkpoint.tensors, self.skeleton
        return {k: skeleton.place_of(k, tensors[k].shape) for k in skeleton.in_order(tensors)}

    @cached_property
    def by_stored(self) -> Mapping[str, tuple[str, ...]]:
        """Name before a converter -> keys; more than one where a file holds a tensor twice."""
        return _grouped((p.stored, k) for k, p in self.places.items())

    @cached_property
    def by_live(self) -> Mapping[str, tuple[str, ...]]:
        """Live name -> the keys that a converter makes it from."""
        return _grouped((n, k) for k, p in self.places.items() if p.converter for n in p.live)

    def target(self, place: Place) -> Target | None:
        """The file's tensors for a name of the adapter.

        A name that isn't live is one that a converter reads (an expert by number): where the file has
        that very tensor, it is edited as it lies.
        """
        is_live = place.stored in self.skeleton.shapes
        own = self.by_stored.get(place.stored, ())
        if len(own) == 1 and not (self.places[own[0]].converter and is_live):
            return self.as_it_lies(own[0])
        made = self.by_live.get(place.stored, ())
        if not is_live:
            return self._inside(place)
        return self._made(place.stored, made) if made else None

    def as_it_lies(self, key: str) -> Target:
        """One tensor of the file."""
        return Target(info=self.checkpoint.tensors[key], tensors=(key,))

    def _made(self, live: str, keys: tuple[str, ...]) -> Target:
        first = self.checkpoint.tensors[keys[0]]
        shape = self.skeleton.shapes[live]
        return Target(
            info=TensorInfo(name=live, dtype=first.dtype, shape=shape, start=0, stop=0),
            tensors=keys,
            converter=self.places[keys[0]].converter,
            rows=self._rows(live, first) if len(keys) == 1 else None,
            pieces=pieces(shape, {k: (self.places[k], self.checkpoint.tensors[k]) for k in keys}),
        )

    def _inside(self, place: Place) -> Target | None:
        """What today's loader would put into a tensor that the file holds as the model does."""
        own = self.by_stored.get(place.live[0], ())
        if place.joint is None or len(own) != 1 or self.places[own[0]].converter:
            return None
        whole = self.checkpoint.tensors[own[0]]
        rows = rows_inside(place.joint, whole.shape)
        if rows is None or whole.shape != self.skeleton.shapes.get(place.live[0]):
            return None
        shape = (rows.stop - rows.start, whole.shape[-1])
        return Target(
            info=TensorInfo(name=place.stored, dtype=whole.dtype, shape=shape, start=0, stop=0),
            tensors=own,
            converter=place.converter,
            rows=rows,
            expert=place.joint.expert,
        )

    def _rows(self, live: str, whole: TensorInfo) -> slice | None:
        """The rows of `whole` that are `live`, where nothing but a cut into rows lies between them."""
        place, shapes = self.places[whole.name], self.skeleton.shapes
        if not place.splits or not all(n in shapes for n in place.live):
            return None
        parts = [shapes[n] for n in place.live]
        rows = [shape[0] for shape in parts if shape]
        uneven = place.converter == "Chunk" and len(set(rows)) > 1
        if uneven or {(sum(rows), *shape[1:]) for shape in parts} != {whole.shape}:
            return None
        start = sum(rows[: place.live.index(live)])
        return slice(start, start + shapes[live][0])


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, key in pairs:
        groups[name].append(key)
    return {name: tuple(keys) for name, keys in groups.items()}
