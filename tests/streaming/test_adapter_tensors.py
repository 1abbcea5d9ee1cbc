"""Adapter tensors come whole or by rows, in their own dtype, and never with a NaN."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_merge.errors import NotFinite, NotFound, ShortRead
from adapter_merge.plan import AdapterTensor
from adapter_merge.stages.resolve import resolve
from adapter_merge.streaming import AdapterReader
from tests.build import PREFIX, UP, Case, change, make_case

NAME = f"{PREFIX}{UP}.lora_A.weight"
WANTED = AdapterTensor(adapter=0, name=NAME)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


def weights(case: Case) -> Path:
    return case.adapter / "adapter_model.safetensors"


@pytest.fixture
def reader(case: Case) -> Iterator[AdapterReader]:
    with AdapterReader.open(resolve(case.request()), "cpu") as opened:
        yield opened


@pytest.mark.parametrize(
    "rows", [None, slice(0, 4), slice(1, 3), slice(3, 4), slice(2, 2)], ids=str
)
def test_rows(case: Case, reader: AdapterReader, rows: slice | None) -> None:
    whole = load_file(weights(case))[NAME]
    assert torch.equal(reader.load(WANTED, rows), whole if rows is None else whole[rows])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_dtype_is_the_file_s(case: Case, dtype: torch.dtype) -> None:
    held = {n: t.to(dtype) for n, t in load_file(weights(case)).items()}
    save_file(held, weights(case))
    with AdapterReader.open(resolve(case.request()), "cpu") as reader:
        found = reader.load(WANTED)
    assert found.dtype == dtype
    assert torch.equal(found, held[NAME])


def test_a_tensor_without_elements(case: Case) -> None:
    change(weights(case), lambda t: t.update(none=np.zeros((0, 3), np.float16)))
    with AdapterReader.open(resolve(case.request()), "cpu") as reader:
        found = reader.load(AdapterTensor(adapter=0, name="none"))
    assert (found.shape, found.dtype) == ((0, 3), torch.float16)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number(case: Case, bad: float) -> None:
    change(weights(case), lambda t: t[NAME].__setitem__((2, 0), bad))
    with AdapterReader.open(resolve(case.request()), "cpu") as reader:
        with pytest.raises(NotFinite) as caught:
            reader.load(WANTED)
        assert NAME in caught.value.message
        with pytest.raises(NotFinite):
            reader.load(WANTED, slice(2, 3))
        # Rows that don't hold it can still be read.
        assert reader.load(WANTED, slice(0, 2)).isfinite().all()


def test_an_adapter_that_shrinks_meanwhile(case: Case, reader: AdapterReader) -> None:
    weights(case).write_bytes(weights(case).read_bytes()[:-8])
    last = max(reader.sources.adapters[0].checkpoint.tensors.values(), key=lambda t: t.stop)
    with pytest.raises(ShortRead):
        reader.load(AdapterTensor(adapter=0, name=last.name))


def test_an_adapter_that_goes_away(case: Case) -> None:
    sources = resolve(case.request())
    weights(case).unlink()
    with (
        pytest.raises(NotFound, match=r"adapter_model\.safetensors"),
        AdapterReader.open(sources, "cpu"),
    ):
        pass


def test_several_adapters_have_a_file_each(case: Case, tmp_path: Path) -> None:
    other = make_case(tmp_path / "other")
    change(weights(other), lambda t: t.update({n: v * 3 for n, v in t.items()}))
    both = case.request(adapters=(str(case.adapter), str(other.adapter)))
    with AdapterReader.open(resolve(both), "cpu") as reader:
        first, second = (reader.load(AdapterTensor(adapter=n, name=NAME)) for n in (0, 1))
    assert torch.equal(second, first * 3)
