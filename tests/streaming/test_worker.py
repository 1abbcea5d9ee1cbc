"""What a worker computes: dtypes, ranges, and values that the result can't hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from adapter_merge.adapters.experts import OneExpert
from adapter_merge.adapters.factors import Factors
from adapter_merge.adapters.steps import Replacement, TensorEdit
from adapter_merge.plan import AdapterTensor
from adapter_merge.stages.resolve import resolve
from adapter_merge.streaming import AdapterReader, Prepared
from tests.build import (
    ALPHA,
    DOWN,
    PREFIX,
    RANK,
    UP,
    Array,
    Case,
    adapter_tensors,
    base_tensors,
    change,
    make_case,
    of_the_merge,
    write_adapter,
    write_base,
)

HEAD, EDITED = "lm_head.weight", f"{UP}.weight"


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


def change_base(case: Case, name: str, *values: float) -> None:
    """Put values into the first row of a tensor."""
    change(
        case.base / "model.safetensors",
        lambda t: t[name].__setitem__((0, slice(0, len(values))), values),
    )


def change_adapter(case: Case, factor: float) -> None:
    change(
        case.adapter / "adapter_model.safetensors",
        lambda t: t.update({n: v * np.float32(factor) for n, v in t.items()}),
    )


def assert_not_finite(case: Case, name: str, dtype: str = "keep") -> None:
    error = case.run(dtype=dtype).error
    assert error is not None
    assert error.type == "NotFinite"
    assert f"`{name}`" in error.message
    assert "--dtype fp32" in error.hint
    assert not case.to.exists()


def formula(module: str) -> Array:
    """W + s B A in float64."""
    held = adapter_tensors()
    a, b = (held[f"{PREFIX}{module}.lora_{part}.weight"].astype(np.float64) for part in "AB")
    return base_tensors()[f"{module}.weight"].astype(np.float64) + ALPHA / RANK * (b @ a)


def test_float64_beside_float32(case: Case) -> None:
    # Both dtypes pass through the buffers that one worker keeps.
    change(
        case.base / "model.safetensors",
        lambda t: t.update({EDITED: t[EDITED].astype(np.float64)}),
    )
    assert case.run().error is None
    merged = load_file(case.to / "model.safetensors")
    assert (merged[EDITED].dtype, merged[f"{DOWN}.weight"].dtype) == (torch.float64, torch.float32)
    np.testing.assert_allclose(merged[EDITED].numpy(), formula(UP), rtol=0, atol=1e-13)
    np.testing.assert_allclose(merged[f"{DOWN}.weight"].numpy(), formula(DOWN), rtol=0, atol=1e-5)


def test_rows_of_later_chunks_and_blocks(case: Case, tmp_path: Path) -> None:
    rows, columns = 2100, 1024  # of float32: more than one chunk, and a dozen blocks
    values = np.random.default_rng(2)
    base, a, b = (
        values.standard_normal(shape, dtype=np.float32)
        for shape in ((rows, columns), (RANK, columns), (rows, RANK))
    )
    case = Case(
        base=write_base(tmp_path / "large", {EDITED: base}),
        adapter=write_adapter(
            tmp_path / "tall",
            {f"{PREFIX}{UP}.lora_A.weight": a, f"{PREFIX}{UP}.lora_B.weight": b},
        ),
        to=case.to,
    )
    assert case.run().error is None
    expected = base.astype(np.float64) + ALPHA / RANK * (b.astype(np.float64) @ a)
    merged = load_file(case.to / "model.safetensors")[EDITED]
    np.testing.assert_allclose(merged.numpy(), expected, rtol=0, atol=1e-4)


def test_a_product_that_overflows(case: Case) -> None:
    change_adapter(case, 1e20)
    assert_not_finite(case, EDITED)


def test_a_sum_that_its_own_dtype_can_t_hold(case: Case) -> None:
    change(
        case.base / "model.safetensors",
        lambda t: t.update({n: v.astype(np.float16) for n, v in t.items()}),
    )
    change_adapter(case, 2000)
    assert_not_finite(case, EDITED)


@pytest.mark.parametrize("others", [(), (np.inf,), (np.nan,), (-np.inf, np.nan)], ids=str)
@pytest.mark.parametrize("value", [70000.0, -70000.0])
def test_a_cast_that_the_dtype_can_t_hold(
    case: Case, value: float, others: tuple[float, ...]
) -> None:
    change_base(case, HEAD, *others, value)
    assert_not_finite(case, HEAD, dtype="fp16")
    assert case.run(dtype="bf16").error is None


@pytest.mark.parametrize("values", [(np.inf,), (np.nan, -np.inf), [np.nan] * 8], ids=str)
def test_the_base_s_own_infinity_is_cast_and_only_warned_about(
    case: Case, values: tuple[float, ...]
) -> None:
    change_base(case, HEAD, *values)
    report = case.run(dtype="fp16")
    assert report.error is None
    cast = load_file(case.to / "model.safetensors")[HEAD][0, : len(values)]
    np.testing.assert_array_equal(cast.float().numpy(), values)
    assert {f.code for f in of_the_merge(report.findings) if f.outcome == "warn"} == {"T006"}


def test_a_tensor_of_nothing_but_nan_is_cast(case: Case) -> None:
    change(case.base / "model.safetensors", lambda t: t[HEAD].fill(np.nan))
    assert case.run(dtype="fp16").error is None
    assert load_file(case.to / "model.safetensors")[HEAD].isnan().all()


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_the_base_s_own_infinity_below_an_edit_stops_the_run(case: Case, value: float) -> None:
    change_base(case, EDITED, value)
    assert_not_finite(case, EDITED)


def test_the_last_edits_are_kept_prepared(case: Case) -> None:
    step = Replacement(tensor=AdapterTensor(adapter=0, name="a"))
    edits = [TensorEdit(target=str(n), steps=(step,), wide=False) for n in range(9)]
    with AdapterReader.open(resolve(case.request()), "cpu") as reader:
        prepared = Prepared(reader=reader)
        first, *others = [prepared.get(e) for e in edits]
        assert [prepared.get(e) for e in edits[1:]] == others
        assert prepared.get(edits[0]) is not first


def test_what_edits_share_is_read_once(case: Case) -> None:
    sources = resolve(case.request())
    a, b = (
        AdapterTensor(adapter=0, name=n) for n in list(sources.adapters[0].checkpoint.tensors)[:2]
    )
    factors = Factors(a=a, b=b, scale=1, experts=2, rank=2)
    edits = [
        TensorEdit(
            target=str(expert),
            steps=(OneExpert(factors=factors, expert=expert, rows=slice(0, 4), transposed=False),),
            wide=False,
        )
        for expert in range(2)
    ]
    with AdapterReader.open(sources, "cpu") as reader:
        prepared = Prepared(reader=reader)
        for edit in edits:
            prepared.get(edit)
            assert list(prepared.shared) == [b]
