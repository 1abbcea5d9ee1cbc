"""Chunks cover every byte once, and blocks of rows are never too small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter_merge import assemble
from adapter_merge.plan import Plan
from adapter_merge.streaming import chunks
from adapter_merge.streaming.chunks import (
    COMPUTED,
    COPIED,
    FEWEST_ROWS,
    Computed,
    Copied,
    row_blocks,
)
from tests.build import PREFIX, UP, Case, Tensors, make_case, write_adapter, write_base


@given(st.integers(0, 50), st.integers(0, 500), st.integers(1, 90))
def test_blocks_cover_all_rows(start: int, count: int, step: int) -> None:
    blocks = list(row_blocks(slice(start, start + count), step))
    assert [r for b in blocks for r in range(b.start, b.stop)] == list(range(start, start + count))
    lengths = [b.stop - b.start for b in blocks]
    if step >= FEWEST_ROWS and count >= FEWEST_ROWS:
        assert min(lengths) >= FEWEST_ROWS
    assert all(n < step + FEWEST_ROWS for n in lengths)


def large(root: Path, rows: int) -> Case:
    """A base with one edited and one copied tensor that need several chunks each."""
    case = make_case(root)
    tensors: Tensors = {
        f"{UP}.weight": np.zeros((rows, 1024), np.float32),
        "other.weight": np.zeros((rows, 4096), np.float32),
        "model.step": np.zeros((), np.int64),
        "model.none": np.zeros((0, 4), np.float32),
    }
    factors = {
        f"{PREFIX}{UP}.lora_A.weight": np.zeros((4, 1024), np.float32),
        f"{PREFIX}{UP}.lora_B.weight": np.zeros((rows, 4), np.float32),
    }
    return Case(
        base=write_base(root / "large", tensors),
        adapter=write_adapter(root / "wide", factors),
        to=case.to,
    )


def source_of(plan: Plan, chunk: Copied) -> int:
    """Where a copied chunk's bytes begin in the base's file, by the tensor that they belong to."""
    (shard,) = (s for s in plan.shards if s.name == chunk.shard)
    (tensor,) = (t for t in shard.tensors if t.info.start <= chunk.start < t.info.stop)
    assert tensor.base is not None
    return tensor.base.info.start + chunk.start - tensor.info.start


@pytest.mark.parametrize("settings", [{}, {"dtype": "bf16"}, {"max_shard_size": "40MB"}], ids=str)
def test_every_byte_is_in_one_chunk(tmp_path: Path, settings: dict[str, object]) -> None:
    plan = assemble.plan(large(tmp_path, 5000).request(**settings))
    found = list(chunks(plan))
    for shard in plan.shards:
        own = [c for c in found if c.shard == shard.name]
        ends = [len(shard.header), *(c.stop for c in own)]
        assert [c.start for c in own] == ends[:-1]
        assert ends[-1] == shard.size
    computed = [c for c in found if isinstance(c, Computed)]
    copied = [c for c in found if isinstance(c, Copied)]
    assert all(c.offset == source_of(plan, c) for c in copied)
    assert len(computed) > 1
    assert all(c.stop - c.start <= COMPUTED + FEWEST_ROWS * 4096 * 4 for c in computed)
    assert all(c.stop - c.start <= COPIED for c in copied)
    assert all(c.rows.stop - c.rows.start >= FEWEST_ROWS for c in computed)
