"""Which weight file of the result holds which tensor, and at which byte."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from adapter_merge.checkpoint import BITS, Checkpoint, WeightFile
from adapter_merge.folder import SINGLE
from adapter_merge.plan import PlannedTensor, ShardPlan
from adapter_merge.weights import encode_header


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """The weight files of the result; `index` is None for a single file.

    `kept_index` says that the base's index file is still true, byte for byte.
    """

    shards: tuple[ShardPlan, ...]
    index: bytes | None
    kept_index: bool


def keep_files(tensors: Sequence[PlannedTensor], base: Checkpoint) -> Weights:
    """The base's files: each tensor stays where it was, added ones join the last file."""
    by_file: dict[str, list[PlannedTensor]] = {f.name: [] for f in base.files}
    for tensor in tensors:
        by_file[tensor.base.file if tensor.base else base.files[-1].name].append(tensor)
    # A file of which nothing is left is no file: a head that the native form doesn't have.
    files = [f for f in base.files if by_file[f.name] or not f.tensors]
    shards = tuple(_shard(by_file[f.name], f) for f in files)
    if base.index is None:
        return Weights(shards=shards, index=None, kept_index=False)
    same = [s.header for s in shards] == [f.header for f in base.files]
    return Weights(shards=shards, index=_index(shards, base), kept_index=same)


def indexed(weights: Weights, base: Checkpoint) -> Weights:
    """The same files with an index, whatever the base has."""
    if weights.index is not None:
        return weights
    return replace(weights, index=_index(weights.shards, base))


def cut_files(tensors: Sequence[PlannedTensor], base: Checkpoint, *, limit: int) -> Weights:
    """New files of at most `limit` bytes of tensors, filled in the base's order.

    A tensor that is larger than `limit` gets a file of its own, as transformers does it.
    """
    groups: list[list[PlannedTensor]] = [[]]
    filled = 0
    for tensor in tensors:
        size = _nbytes(tensor)
        if groups[-1] and filled + size > limit:
            groups.append([])
            filled = 0
        groups[-1].append(tensor)
        filled += size
    metadata = base.files[0].metadata
    total = len(groups)
    names = [f"model-{n + 1:05d}-of-{total:05d}.safetensors" for n in range(total)]
    shards = tuple(
        _encode(name, group, metadata)
        for name, group in zip(names if total > 1 else [SINGLE], groups, strict=True)
    )
    return Weights(
        shards=shards, index=_index(shards, base) if total > 1 else None, kept_index=False
    )


def _nbytes(tensor: PlannedTensor) -> int:
    return tensor.info.size * BITS[tensor.info.dtype] // 8


def _shard(tensors: list[PlannedTensor], file: WeightFile) -> ShardPlan:
    """A file of the base with new content; its very header where no name, dtype or shape changed."""
    before = [(t.name, t.dtype, t.shape) for t in file.tensors]
    if before != [(t.info.name, t.info.dtype, t.info.shape) for t in tensors]:
        return _encode(file.name, tensors, file.metadata)
    placed = zip(tensors, file.tensors, strict=True)
    return ShardPlan(
        name=file.name,
        header=file.header,
        tensors=tuple(replace(tensor, info=info) for tensor, info in placed),
    )


def _encode(
    name: str, tensors: list[PlannedTensor], metadata: Mapping[str, str] | None
) -> ShardPlan:
    # Wide dtypes first, so that every tensor stays aligned; the order is the base's otherwise.
    ordered = sorted(tensors, key=lambda t: -BITS[t.info.dtype])
    header, infos = encode_header(
        [(t.info.name, t.info.dtype, t.info.shape) for t in ordered],
        metadata,
    )
    placed = zip(ordered, infos, strict=True)
    return ShardPlan(
        name=name,
        header=header,
        tensors=tuple(replace(tensor, info=info) for tensor, info in placed),
    )


def _index(shards: Sequence[ShardPlan], base: Checkpoint) -> bytes:
    """An index for the shards; what else the base's index says stays."""
    content = dict(base.index.content) if base.index else {}
    tensors = [t.info for s in shards for t in s.tensors]
    metadata = content.get("metadata")
    metadata = dict(metadata) if isinstance(metadata, dict) else {}
    metadata["total_size"] = sum(t.nbytes for t in tensors)
    if "total_parameters" in metadata:
        metadata["total_parameters"] = sum(t.size for t in tensors)
    content["metadata"] = metadata
    content["weight_map"] = dict(sorted((t.info.name, s.name) for s in shards for t in s.tensors))
    return (json.dumps(content, indent=2) + "\n").encode()
