"""How much memory a merge will take, from its plan alone; pure."""

from __future__ import annotations

from heapq import nlargest
from math import prod

from adapter_merge.checkpoint import BITS
from adapter_merge.plan import AdapterTensor, Plan, PlannedTensor
from adapter_merge.streaming.chunks import rows_at_a_time, rows_of
from adapter_merge.streaming.worker import KEPT_EDITS, block_rows

# Whole tensors that PEFT's layers hold at a time, as measured: the weight, its delta, their products.
_LAYER_BLOCKS = 6


def peak_bytes(plan: Plan, workers: int) -> int:
    """Bytes that a merge holds at its peak, beside Python and torch: an estimate from above.

    Each worker has its buffers, and all share the adapter tensors of the last few edits. PEFT's layers hold
    all of their adapters, in float32.
    """
    layered = {used for edit in plan.edits if edit.layers for used in edit.uses}
    whole = sum(_held(used, plan) for used in layered)
    computed = [t for t in plan.tensors.values() if not t.copied and t.info.nbytes]
    buffers = max((_buffers(t) for t in computed), default=0)
    return (
        whole
        + workers * buffers
        + sum(nlargest(KEPT_EDITS + 1, (_kept(t, plan) for t in computed)))
    )


def _buffers(tensor: PlannedTensor) -> int:
    """Bytes of a chunk as it is read and as it is written, and of two blocks that are computed."""
    columns = tensor.info.size // rows_of(tensor)
    rows = min(rows_at_a_time(tensor), rows_of(tensor))
    whole = tensor.edit is not None and not tensor.edit.by_rows
    block = rows if whole else min(rows, block_rows(columns))
    dtypes = [tensor.info.dtype, *([tensor.base.info.dtype] if tensor.base else [])]
    chunk = rows * columns * sum(BITS[dtype] for dtype in dtypes) // 8
    blocks = _LAYER_BLOCKS if tensor.edit is not None and tensor.edit.layers else 2
    return chunk + blocks * block * columns * _width(tensor)


def _kept(tensor: PlannedTensor, plan: Plan) -> int:
    """Bytes of an edit that is at work: its factors, and its delta where that is made in one piece."""
    if tensor.edit is None or tensor.edit.layers:
        return 0
    used = [plan.adapter_tensors[u] for u in tensor.edit.uses]
    # One of the tensor's own shape replaces it, and is read block by block.
    factors = sum(info.size for info in used if info.shape != tensor.info.shape)
    delta = 0 if tensor.edit.by_rows else tensor.info.size
    return (factors + delta) * _width(tensor)


def _held(used: AdapterTensor, plan: Plan) -> int:
    info = plan.adapter_tensors[used]
    if ".boft_R" in used.name:
        # Beside it a layer keeps permutations of its inputs, as square matrices.
        inputs = prod(info.shape[1:3])
        return 4 * (info.size + inputs * inputs * info.shape[0])
    return 4 * info.size


def _width(tensor: PlannedTensor) -> int:
    return 8 if tensor.wide else 4
