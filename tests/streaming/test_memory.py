"""The memory of a merge, told from its plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adapter_merge import assemble
from adapter_merge.plan import Plan
from adapter_merge.streaming import peak_bytes
from tests.build import ALPHA, PREFIX, RANK, Case, make_case, write_adapter, write_base

MODULE = "model.layers.0.proj"


def wide(root: Path, rows: int, columns: int) -> Case:
    """One linear layer of some size, and a LoRA on it."""
    base = write_base(root / "b", {f"{MODULE}.weight": np.zeros((rows, columns), np.float16)})
    factors = {"A": (RANK, columns), "B": (rows, RANK)}
    adapter = write_adapter(
        root / "a",
        {
            f"{PREFIX}{MODULE}.lora_{part}.weight": np.zeros(shape, np.float32)
            for part, shape in factors.items()
        },
        lora_alpha=ALPHA,
    )
    return Case(base=base, adapter=adapter, to=root / "out")


def planned(case: Case, **settings: object) -> Plan:
    return assemble.plan(case.request(**settings))


def test_a_small_tensor_is_held_whole(tmp_path: Path) -> None:
    rows, columns = 32, 16
    chunk = 2 * rows * columns * 2  # as it is read, and as it is written, in float16
    blocks = 2 * rows * columns * 4
    factors = RANK * (rows + columns) * 4
    plan = planned(wide(tmp_path, rows, columns))
    assert peak_bytes(plan, 1) == chunk + blocks + factors
    assert peak_bytes(plan, 3) == 3 * (chunk + blocks) + factors


def test_a_large_one_is_held_in_part(tmp_path: Path) -> None:
    small, large = (planned(wide(tmp_path / str(n), n << 10, 4096)) for n in (4, 8))
    factors = RANK * 4096 * 4
    assert peak_bytes(large, 1) - peak_bytes(small, 1) == factors
    assert peak_bytes(large, 1) < 20e6 < large.size


def test_what_is_only_copied_takes_nothing(tmp_path: Path) -> None:
    plan = planned(make_case(tmp_path))
    copied = tuple(replace(t, edit=None) for s in plan.shards for t in s.tensors)
    shards = (replace(plan.shards[0], tensors=copied),)
    assert peak_bytes(replace(plan, shards=shards), 8) == 0


@pytest.mark.parametrize("workers", [1, 4])
def test_a_cast_takes_more(tmp_path: Path, workers: int) -> None:
    case = wide(tmp_path, 64, 64)
    assert peak_bytes(planned(case, dtype="fp32"), workers) > peak_bytes(planned(case), workers)
