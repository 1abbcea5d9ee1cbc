"""One tensor of a result, looked at on the disk against its plan and its sources; facts, no judgement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import cast

import numpy as np

from adapter_merge.checkpoint import BITS, FLOATS, Checkpoint, TensorInfo
from adapter_merge.checks.compare import Bound, EditLook, compare, joined
from adapter_merge.checks.proofs import Proofs
from adapter_merge.floats import (
    FORMATS,
    Array,
    Raw,
    decode,
    encode,
    has_nonfinite,
    same_bits,
)
from adapter_merge.plan import BaseTensor, Edit, Layers, PlannedTensor
from adapter_merge.sources import Sources
from adapter_merge.stored import Stored, chunks, loader

_RUNS = 8  # runs of sampled rows, spread evenly, the first and the last row among them
_RUN_ROWS = 8  # rows a run, at least: 64 rows a tensor ...
_RUN_LEAST = 1 << 14  # ... more where rows are short: elements a run, at least
_RUN_MOST = 1 << 19  # fewer where they are long: elements a run, at most


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where to look.

    Attributes:
        folder: the result.
        checkpoint: its weights, as their headers describe them.
        sources: what it was made from; None where nobody says.
        foreign: another program made it, so wider bounds count.
        layers: PEFT's layers that edits of the plan go through.
        turn: held while such an edit is looked at, whole. Only one is: DoRA's forward makes an identity of all its
            inputs, which can be far larger than the weight.
        threads: for the outputs of the one that has its turn: nobody else needs torch then.
    """

    folder: Path
    checkpoint: Checkpoint
    sources: Sources | None
    foreign: bool
    layers: Layers = field(default_factory=dict)
    turn: Lock = field(default_factory=Lock)
    threads: int = 1

    def stored(self, name: str) -> Stored | None:
        """A tensor of the result."""
        info = self.checkpoint.tensors.get(name)
        if info is None:
            return None
        return Stored(path=self.folder / self.checkpoint.file_of[name].name, info=info)

    def of_base(self, base: BaseTensor | None) -> Stored | None:
        """A tensor of the base."""
        if base is None or self.sources is None:
            return None
        return Stored(path=self.sources.base.pinned.root / base.file, info=base.info)


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorLook:
    """What was seen of one tensor.

    Attributes:
        found: as the result's header has it; None where it is missing.
        same: whether its values are the base's: bytes, or where dtypes differ the base's values
            rounded to the result's dtype; None where there is nothing to compare with.
        nonfinite: whether it holds a NaN or an infinity; None where its dtype isn't tested.
        edit: comparison with the recomputed edit; None where there is none, or shapes differ.
    """

    found: TensorInfo | None
    same: bool | None = None
    nonfinite: bool | None = None
    edit: EditLook | None = None


def look_at(planned: PlannedTensor, place: Place) -> TensorLook:
    """Look at one planned tensor.

    Raises:
        ShortRead: a file changed while it was read.
    """
    found = place.stored(planned.info.name)
    if found is None:
        return TensorLook(found=None)
    base = place.of_base(planned.base)
    if base is not None and base.info.shape != found.info.shape:
        base = None
    same, nonfinite = _scan(found, base)
    return TensorLook(
        found=found.info, same=same, nonfinite=nonfinite, edit=_edited(planned, found, base, place)
    )


def look_alone(name: str, place: Place) -> TensorLook:
    """Look at one tensor of a result that nothing is known about.

    Raises:
        ShortRead: the file changed while it was read.
    """
    found = place.stored(name)
    if found is None:
        return TensorLook(found=None)
    _, nonfinite = _scan(found, None)
    return TensorLook(found=found.info, nonfinite=nonfinite)


def same_bytes(one: Stored, other: Stored) -> bool:
    """Whether two tensors have the same dtype, shape and bytes."""
    if (one.info.dtype, one.info.shape) != (other.info.dtype, other.info.shape):
        return False
    spans = chunks(one.info.nbytes, 1)
    return all(np.array_equal(one.read(a, b), other.read(a, b)) for a, b in spans)


def _scan(found: Stored, base: Stored | None) -> tuple[bool | None, bool | None]:
    """One pass over all bytes: equal to the base's? finite? The base is read up to the first difference."""
    dtype = found.info.dtype
    same = None if base is None else True
    nonfinite = False if dtype in FLOATS else None
    for start, stop in _spans(found, base):
        raw = found.read(start[0], stop[0])
        if nonfinite is False:
            nonfinite = has_nonfinite(raw, dtype)
        if same and base is not None:
            same = _same(raw, base.read(start[1], stop[1]), dtype, base.info.dtype)
    return same, nonfinite


def _spans(found: Stored, base: Stored | None) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Byte ranges of equal elements, as (start, stop) of the result and the base each."""
    bits = BITS[found.info.dtype]
    other = bits if base is None else BITS[base.info.dtype]
    if bits == other:
        yield from (((a, a), (b, b)) for a, b in chunks(found.info.nbytes, 1))
        return
    for a, b in chunks(found.info.size, max(bits, other, 8) // 8):
        yield (a * bits // 8, a * other // 8), (b * bits // 8, b * other // 8)


def _same(raw: Raw, of_base: Raw, dtype: str, base_dtype: str) -> bool:
    if dtype == base_dtype:
        return np.array_equal(raw, of_base)
    if dtype not in FLOATS or base_dtype not in FLOATS:
        return False
    expected = encode(decode(of_base, base_dtype), dtype)
    return same_bits(raw.view(FORMATS[dtype].bits), expected, dtype)


def _edited(
    planned: PlannedTensor, found: Stored, base: Stored | None, place: Place
) -> EditLook | None:
    edit = planned.edit
    comparable = found.info.shape == planned.info.shape and found.info.dtype in FLOATS
    if edit is None or place.sources is None or not comparable or not found.info.size:
        return None
    if edit.reads_base and base is None:
        return None
    # A tensor that one saved tensor replaces is copied or cast: no arithmetic excuses a difference.
    exact = not edit.reads_base and len(edit.uses) == 1
    bound = Bound(dtype=found.info.dtype, exact=exact, foreign=place.foreign and not exact)
    proofs = Proofs(read=loader(place.sources), layers=place.layers, threads=place.threads)
    with place.turn if edit.layers else nullcontext():
        look = joined(list(_compared(edit, found, base, bound, proofs)))
    if proofs.errors:
        return replace(look, error=max(proofs.errors))
    if look.excess <= 1:
        return look
    for reading, other in edit.other_readings.items():
        if joined(list(_compared(other, found, base, bound, proofs))).excess <= 1:
            return replace(look, other_reading=reading)
    return look


def _compared(
    edit: Edit, found: Stored, base: Stored | None, bound: Bound, load: Proofs
) -> Iterator[EditLook]:
    runs = sample(found.rows, found.columns)
    for rows in runs if edit.by_rows else [slice(0, found.rows)]:
        before = _values_of_base(base, found, rows, small=bool(edit.layers))
        reference = edit.recompute(before, rows, load)
        for part in _parts(rows, found.columns):
            at = slice(part.start - rows.start, part.stop - rows.start)
            stored = found.values(part)
            one, other = (
                values[at].astype(np.float64, copy=False) for values in (before, reference)
            )
            yield compare(one, other, stored, bound=bound, row=part.start)


def _values_of_base(base: Stored | None, found: Stored, rows: slice, *, small: bool) -> Array:
    """The base's values; `small` ones are float32, which is what PEFT's layers take."""
    shape = (rows.stop - rows.start, found.columns)
    if base is None or base.info.dtype not in FLOATS:
        return np.zeros(shape)
    if not small:
        return base.values(rows)
    values = np.empty(shape, dtype=np.float32)
    for part in _parts(rows, found.columns):
        values[part.start - rows.start : part.stop - rows.start] = base.values(part)
    return cast("Array", values)


def _height(columns: int) -> int:
    """Rows a run, so that its float64 temporaries stay small."""
    wanted = max(_RUN_ROWS, _RUN_LEAST // columns)
    return max(1, min(wanted, _RUN_MOST // columns))


def sample(rows: int, columns: int) -> tuple[slice, ...]:
    """The rows that are recomputed: always the same ones, the first and the last among them.

    At most eight runs, which hold 64 rows or 131,072 elements, whichever is more, and never over
    four million elements unless single rows are longer than that allows.
    """
    height = _height(columns)
    if rows <= height * _RUNS:
        return tuple(slice(a, min(a + height, rows)) for a in range(0, rows, height))
    starts = [round(i * (rows - height) / (_RUNS - 1)) for i in range(_RUNS)]
    return tuple(slice(a, a + height) for a in starts)


def _parts(rows: slice, columns: int) -> Iterator[slice]:
    height = _height(columns)
    for start in range(rows.start, rows.stop, height):
        yield slice(start, min(start + height, rows.stop))
