"""Looking at one tensor on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import adapter_merge.stored as stored_module
from adapter_merge.checkpoint import TensorInfo
from adapter_merge.checks.look import Place, look_alone, look_at, same_bytes, sample
from adapter_merge.errors import ShortRead
from adapter_merge.repository import open_checkpoint
from adapter_merge.stored import Stored, chunks
from tests.checks.tiny import ADDED, EMBED, FIRST, NORM, Case


@pytest.mark.parametrize(
    ("rows", "columns"),
    [(1, 1), (8, 3), (63, 8), (151_936, 2048), (10, 3_000_000), (100_000, 1), (4096, 4096)],
)
def test_sample_is_spread_and_bounded(rows: int, columns: int) -> None:
    runs = sample(rows, columns)
    picked = [row for run in runs for row in range(run.start, run.stop)]
    assert picked == sorted(set(picked))
    assert picked[0] == 0
    assert picked[-1] == rows - 1 or columns > 1 << 20
    assert len(picked) >= min(rows, 64) or columns > 1 << 16
    assert max(run.stop - run.start for run in runs) * columns <= max(1 << 19, columns)
    assert runs == sample(rows, columns)


@pytest.mark.parametrize(("elements", "itemsize"), [(0, 1), (1, 8), (3 << 20, 1), (3 << 20, 4)])
def test_chunks_cover_without_a_gap(elements: int, itemsize: int) -> None:
    spans = list(chunks(elements, itemsize))
    assert [a for a, _ in spans] == [0, *(b for _, b in spans[:-1])][: len(spans)]
    assert sum(b - a for a, b in spans) == elements
    assert all((b - a) * itemsize <= stored_module.CHUNK for a, b in spans)


def place(case: Case) -> Place:
    checkpoint = open_checkpoint(case.folder)
    return Place(folder=case.folder, checkpoint=checkpoint, sources=case.sources, foreign=False)


def test_facts_of_a_good_merge(case: Case) -> None:
    looks = {name: look_at(t, place(case)) for name, t in case.plan.tensors.items()}
    assert {name: look.same for name, look in looks.items() if look.same is not None} == {
        name: t.edit is None for name, t in case.plan.tensors.items() if name != ADDED
    }
    assert not any(look.nonfinite for look in looks.values())
    edits = {name: look.edit for name, look in looks.items() if look.edit}
    assert edits.keys() == {e.target for e in case.plan.edits}
    assert edits[FIRST].elements == 40 * 8  # small tensors are compared whole
    assert edits[FIRST].gain == pytest.approx(1, abs=1e-3)


def test_missing_tensor(case: Case) -> None:
    case.change(lambda tensors: tensors.pop(NORM))
    assert look_at(case.plan.tensors[NORM], place(case)).found is None
    assert look_alone(NORM, place(case)).found is None


def test_other_shape_is_not_compared(case: Case) -> None:
    case.change(lambda tensors: tensors.update({FIRST: tensors[FIRST].T}))
    look = look_at(case.plan.tensors[FIRST], place(case))
    assert (look.same, look.edit) == (None, None)


def _saved(path: Path, tensor: torch.Tensor) -> Stored:
    path.mkdir()
    save_file({"t": tensor}, path / "model.safetensors")
    info = open_checkpoint(path).tensors["t"]
    return Stored(path=path / "model.safetensors", info=info)


def test_difference_in_the_last_chunk_is_seen(tmp_path: Path) -> None:
    long = torch.zeros(3 << 20, dtype=torch.uint8)
    one = _saved(tmp_path / "one", long)
    assert same_bytes(one, _saved(tmp_path / "same", long))
    long[-1] = 1
    assert not same_bytes(one, _saved(tmp_path / "other", long))
    assert not same_bytes(one, _saved(tmp_path / "typed", long.to(torch.int8)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(), (5,), (4, 3), (2, 3, 4)])
def test_values_come_as_rows_and_columns(
    tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    tensor = torch.randn(shape).to(dtype)
    flat = tensor.reshape(shape[0] if shape else 1, -1)
    stored = _saved(tmp_path / "one", tensor)
    assert (stored.rows, stored.columns) == tuple(flat.shape)
    rows = slice(stored.rows // 2, stored.rows)
    assert torch.equal(torch.from_numpy(stored.values(rows)), flat[rows].double())


def test_file_that_is_gone(tmp_path: Path) -> None:
    info = TensorInfo(name="t", dtype="U8", shape=(1,), start=0, stop=1)
    with pytest.raises(ShortRead, match="`gone` can't be opened any more"):
        Stored(path=tmp_path / "gone", info=info).read(0, 1)


def test_cast_is_compared_by_value(case: Case) -> None:
    case.change(lambda tensors: tensors.update({EMBED: tensors[EMBED].float()}))
    assert look_at(case.plan.tensors[EMBED], place(case)).same
    case.change(lambda tensors: tensors[EMBED].view(-1)[3:4].mul_(1.0001))
    assert look_at(case.plan.tensors[EMBED], place(case)).same is False
    case.change(lambda tensors: tensors.update({EMBED: tensors[EMBED].to(torch.int16)}))
    assert look_at(case.plan.tensors[EMBED], place(case)).same is False
