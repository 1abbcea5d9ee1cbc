"""Cut a plan into chunks of a few MiB, in the order of their bytes; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from adapter_merge.plan import Plan, PlannedTensor, ShardPlan

COMPUTED = 8 << 20  # bytes of a computed chunk: each worker keeps one in memory
COPIED = 32 << 20  # bytes of a copied chunk: they never pass through memory
FEWEST_ROWS = 16  # a matrix product of fewer rows may round differently


@dataclass(frozen=True, kw_only=True, slots=True)
class Copied:
    """Bytes `start` to `stop` of the output file `shard` are those of a base file from `offset` on."""

    shard: str
    start: int
    stop: int
    file: str
    offset: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Computed:
    """Bytes `start` to `stop` of the output file `shard` are the rows `rows` of an edited or cast tensor."""

    shard: str
    start: int
    stop: int
    tensor: PlannedTensor
    rows: slice


Chunk: TypeAlias = Copied | Computed


def chunks(plan: Plan) -> Iterator[Chunk]:
    """All chunks; together they cover every byte after the headers once."""
    for shard in plan.shards:
        yield from _shard(shard)


def _shard(shard: ShardPlan) -> Iterator[Chunk]:
    for tensor in shard.tensors:
        if not tensor.info.nbytes:
            continue
        if tensor.copied:
            yield from _copied(shard.name, tensor)
        else:
            yield from _computed(shard.name, tensor)


def _copied(shard: str, tensor: PlannedTensor) -> Iterator[Copied]:
    base = tensor.base
    assert base is not None  # noqa: S101 - a copied tensor comes from the base
    for at in range(0, tensor.info.nbytes, COPIED):
        yield Copied(
            shard=shard,
            start=tensor.info.start + at,
            stop=tensor.info.start + min(at + COPIED, tensor.info.nbytes),
            file=base.file,
            offset=base.info.start + at,
        )


def _computed(shard: str, tensor: PlannedTensor) -> Iterator[Computed]:
    count = rows_of(tensor)
    row_bytes = tensor.info.nbytes // count
    for rows in row_blocks(slice(0, count), rows_at_a_time(tensor)):
        yield Computed(
            shard=shard,
            start=tensor.info.start + rows.start * row_bytes,
            stop=tensor.info.start + rows.stop * row_bytes,
            tensor=tensor,
            rows=rows,
        )


def rows_at_a_time(tensor: PlannedTensor) -> int:
    """Rows of a chunk of an edited or cast tensor, which isn't empty."""
    count = rows_of(tensor)
    if tensor.edit is not None and not tensor.edit.by_rows:
        return count
    base_bytes = tensor.base.info.nbytes if tensor.base else 0
    return max(COMPUTED * count // max(tensor.info.nbytes, base_bytes), FEWEST_ROWS)


def rows_of(tensor: PlannedTensor) -> int:
    """Length of dimension 0 of a tensor that isn't empty; 1 for a scalar."""
    return tensor.info.shape[0] if tensor.info.shape else 1


def row_blocks(rows: slice, step: int) -> Iterator[slice]:
    """Cut rows into blocks of `step`; a rest of fewer than 16 joins the block before it."""
    start = rows.start
    while start < rows.stop:
        stop = start + step
        if rows.stop - stop < FEWEST_ROWS:
            stop = rows.stop
        yield slice(start, stop)
        start = stop
