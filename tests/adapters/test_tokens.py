"""Rows that replace rows: in whichever blocks they come, by both routes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adapter_merge.adapters.steps import TensorEdit
from adapter_merge.adapters.tokens import TokenRows
from adapter_merge.plan import AdapterTensor

ROWS = AdapterTensor(adapter=0, name="rows")
PLACES = (7, 0, 39, 8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("step", [3, 8, 40])
def test_rows_come_to_their_places(step: int, dtype: torch.dtype) -> None:
    learned, base = torch.randn(4, 6), torch.randn(40, 6, dtype=dtype)
    expected = base.clone()
    expected[list(PLACES)] = learned.to(dtype)
    edit = TensorEdit(
        target="w", steps=(TokenRows(rows=ROWS, places=PLACES),), wide=dtype == torch.float64
    )
    assert edit.reads_base
    assert edit.by_rows
    assert edit.uses == (ROWS,)
    apply, found, again = edit.prepare(lambda _w, _r=None: learned), base.clone(), []
    for start in range(0, 40, step):
        rows = slice(start, min(start + step, 40))
        apply(found[rows], rows, torch.empty(0))
        before = base[rows].double().numpy()
        again.append(edit.recompute(before, rows, lambda _w, _r=None: learned.double().numpy()))
        assert np.array_equal(before, base[rows].double().numpy())
    assert torch.equal(found, expected)
    assert np.array_equal(np.concatenate(again), expected.double().numpy())
