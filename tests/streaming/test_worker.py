"""What a worker computes: ranges, NaN, dtypes that can't hold a value, and the same on a GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_merge.errors import RequestError, ShortRead
from adapter_merge.plan import AdapterTensor
from adapter_merge.stages.resolve import resolve
from adapter_merge.streaming import AdapterReader, prepare
from tests.build import PREFIX, UP, Case, change, make_case

A_OF_UP = f"{PREFIX}{UP}.lora_A.weight"


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


def values(case: Case) -> dict[str, torch.Tensor]:
    return dict(load_file(case.to / "model.safetensors"))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_adapter_with_a_value_that_is_none(case: Case, bad: float) -> None:
    change(
        case.adapter / "adapter_model.safetensors", lambda t: t[A_OF_UP].__setitem__((0, 0), bad)
    )
    error = case.run().error
    assert error is not None
    assert error.type == "NotFinite"
    assert A_OF_UP in error.message


def test_a_product_that_overflows(case: Case) -> None:
    change(
        case.adapter / "adapter_model.safetensors",
        lambda t: t.update({n: np.full_like(v, 3e19) for n, v in t.items()}),
    )
    error = case.run().error
    assert error is not None
    assert error.type == "NotFinite"
    assert f"{UP}.weight" in error.message


def test_a_value_that_a_narrow_dtype_can_t_hold(case: Case) -> None:
    change(
        case.base / "model.safetensors", lambda t: t["lm_head.weight"].__setitem__((0, 0), 70000)
    )
    assert case.run(dtype="bf16").error is None
    error = case.run(dtype="fp16", to=str(case.to) + "16").error
    assert error is not None
    assert error.type == "NotFinite"
    assert "lm_head" in error.message
    assert "--dtype fp32" in error.hint


def test_the_base_s_own_infinity_is_cast_and_only_warned_about(case: Case) -> None:
    change(
        case.base / "model.safetensors", lambda t: t["lm_head.weight"].__setitem__((0, 0), np.inf)
    )
    report = case.run(dtype="fp16")
    assert report.error is None
    assert torch.isinf(values(case)["lm_head.weight"][0, 0])
    assert {f.code for f in report.findings if f.outcome == "warn"} == {"T006"}


def test_the_base_s_own_infinity_below_an_edit_stops_the_run(case: Case) -> None:
    change(case.base / "model.safetensors", lambda t: t[f"{UP}.weight"].__setitem__((0, 0), np.inf))
    error = case.run().error
    assert error is not None
    assert error.type == "NotFinite"


def test_rows_of_an_adapter_tensor(case: Case) -> None:
    whole = load_file(case.adapter / "adapter_model.safetensors")[A_OF_UP]
    wanted = AdapterTensor(adapter=0, name=A_OF_UP)
    with AdapterReader.open(resolve(case.request()), "cpu") as reader:
        assert torch.equal(reader.load(wanted), whole)
        assert torch.equal(reader.load(wanted, slice(1, 3)), whole[1:3])
        assert reader.load(wanted, slice(2, 2)).shape == (0, 8)


def test_an_adapter_that_shrinks_meanwhile(case: Case) -> None:
    sources = resolve(case.request())
    path = case.adapter / "adapter_model.safetensors"
    with AdapterReader.open(sources, "cpu") as reader:
        path.write_bytes(path.read_bytes()[:-8])
        last = max(sources.adapters[0].checkpoint.tensors.values(), key=lambda t: t.stop)
        with pytest.raises(ShortRead):
            reader.load(AdapterTensor(adapter=0, name=last.name))


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_the_cpu_computes_where_nobody_asks(device: str) -> None:
    assert prepare(device) == "cpu"


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(RequestError, match="cuda:99"):
        prepare("cuda:99")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA here")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_cuda_differs_by_float32_arithmetic_at_most(case: Case, dtype: torch.dtype) -> None:
    path = case.base / "model.safetensors"
    save_file({n: t.to(dtype) for n, t in load_file(path).items()}, path, metadata={"format": "pt"})
    assert case.run().error is None
    on_cpu = values(case)
    report = case.run(device="cuda", to=str(case.to) + "cuda")
    assert report.error is None
    on_cuda = load_file(case.to.parent / "outcuda" / "model.safetensors")
    eps = max(torch.finfo(dtype).eps, 2**-20)
    for name, tensor in on_cpu.items():
        difference = (tensor.float() - on_cuda[name].float()).abs()
        assert (difference <= eps * tensor.float().abs().clamp(min=1e-3)).all(), name
