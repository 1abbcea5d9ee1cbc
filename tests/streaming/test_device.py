"""Where tensors are computed; and on a GPU, the same within the bound that `prepare` states."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_merge.errors import RequestError
from adapter_merge.streaming import prepare
from tests.build import ALPHA, DOWN, PREFIX, RANK, UP, Case, make_case

SCALE = ALPHA / RANK


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_the_cpu_computes_where_nobody_asks(device: str) -> None:
    assert prepare(device) == "cpu"


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(RequestError, match="cuda:99") as caught:
        prepare("cuda:99")
    assert "--device cpu" in caught.value.hint


def bound(
    base: torch.Tensor, a: torch.Tensor, b: torch.Tensor, result: torch.Tensor
) -> torch.Tensor:
    """How far two merges of one weight may be apart, element by element, in float64."""
    sums = base.double().abs() + SCALE * (b.double().abs() @ a.double().abs())
    last = torch.finfo(result.dtype).eps * result.double().abs()
    return (RANK + 2) * 2.0**-23 * sums + last


def as_tf32(values: torch.Tensor) -> torch.Tensor:
    """Cut to the ten bits of mantissa that tensor cores keep in TF32."""
    return (values.view(torch.int32) & ~0x1FFF).view(torch.float32)


def test_the_bound_tells_float32_from_tf32() -> None:
    values = torch.Generator().manual_seed(0)
    base, a, b = (
        torch.randn(shape, generator=values) for shape in ((64, 96), (RANK, 96), (64, RANK))
    )
    result = base + SCALE * (b @ a)
    backwards = base + SCALE * (b.flip(1) @ a.flip(0))
    coarse = base + SCALE * (as_tf32(b) @ as_tf32(a))
    allowed = bound(base, a, b, result)
    assert ((result - backwards).double().abs() <= allowed).all()
    assert ((result - coarse).double().abs() > allowed).float().mean() > 0.5


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA here")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_cuda_stays_within_the_bound(tmp_path: Path, dtype: torch.dtype) -> None:
    case = make_case(tmp_path)
    path = case.base / "model.safetensors"
    save_file({n: t.to(dtype) for n, t in load_file(path).items()}, path, metadata={"format": "pt"})
    on_cpu, on_cuda = merged(case, "cpu"), merged(case, "cuda")
    base, adapter = load_file(path), load_file(case.adapter / "adapter_model.safetensors")
    for module in (UP, DOWN):
        name = f"{module}.weight"
        a, b = (adapter[f"{PREFIX}{module}.lora_{part}.weight"] for part in "AB")
        difference = (on_cpu[name].double() - on_cuda.pop(name).double()).abs()
        assert (difference <= bound(base[name], a, b, on_cpu[name])).all(), name
    assert all(torch.equal(tensor, on_cpu[name]) for name, tensor in on_cuda.items())


def merged(case: Case, device: str) -> dict[str, torch.Tensor]:
    target = case.to.parent / device
    assert case.run(device=device, to=str(target)).error is None
    return dict(load_file(target / "model.safetensors"))
