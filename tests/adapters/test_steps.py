"""The arithmetic of each step: against a formula in float64, in blocks and whole, and by its second route."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch.nn import functional

from adapter_merge.adapters.contribution import Step
from adapter_merge.adapters.experts import OneExpert, Stacked
from adapter_merge.adapters.factors import Factors
from adapter_merge.adapters.rows import ExpertStep, RowsStep
from adapter_merge.adapters.steps import BiasDelta, ConvLowRank, LowRank, Replacement, TensorEdit
from adapter_merge.plan import AdapterTensor
from adapter_merge.streaming.chunks import row_blocks

SCALE = 16 / 3
A, B = AdapterTensor(adapter=0, name="a"), AdapterTensor(adapter=0, name="b")
Tensors = dict[AdapterTensor, torch.Tensor]


def some(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def convolved(values: Tensors) -> torch.Tensor:
    """The layer that two convolutions in a row are: its answer to unit inputs is its kernel."""
    a, b = values[A].double(), values[B].double()
    convolve = {3: functional.conv1d, 4: functional.conv2d, 5: functional.conv3d}[a.ndim]
    kernel = a.shape[2:]
    inputs = a.shape[1]
    rows = []
    for channel in range(inputs):
        unit = torch.zeros(1, inputs, *(2 * k - 1 for k in kernel), dtype=torch.float64)
        unit[(0, channel, *(k - 1 for k in kernel))] = 1
        answer = convolve(convolve(unit, a), b)[0]
        rows.append(answer.flip(tuple(range(1, answer.ndim))))
    return SCALE * torch.stack(rows, dim=1)


FORTY, THREE = (Factors(a=A, b=B, scale=SCALE, experts=n, rank=2) for n in (40, 3))


def stacked(values: Tensors, experts: int) -> torch.Tensor:
    """The deltas as PEFT writes them."""
    a = values[A].double().reshape(experts, 2, -1)
    b = values[B].double().reshape(-1, 2, experts)
    return SCALE * torch.einsum("orx,xri->xoi", b, a)


def in_stack(delta: torch.Tensor) -> torch.Tensor:
    whole = torch.zeros(40, 24, 3, dtype=torch.float64)
    whole[5, 4:20] = delta
    return whole


CASES: dict[str, tuple[Step, Tensors, tuple[int, ...], Callable[[Tensors], torch.Tensor]]] = {
    "linear": (
        LowRank(a=A, b=B, scale=SCALE, outputs=40, transposed=False),
        {A: some(4, 24), B: some(40, 4)}, (40, 24),
        lambda v: SCALE * v[B].double() @ v[A].double()),
    "transposed": (
        LowRank(a=A, b=B, scale=SCALE, outputs=24, transposed=True),
        {A: some(4, 40), B: some(24, 4)}, (40, 24),
        lambda v: SCALE * (v[B].double() @ v[A].double()).T),
    "conv1d": (ConvLowRank(a=A, b=B, scale=SCALE), {A: some(4, 6, 3), B: some(40, 4, 1)}, (40, 6, 3), convolved),
    "conv2d": (
        ConvLowRank(a=A, b=B, scale=SCALE), {A: some(4, 6, 2, 3), B: some(40, 4, 1, 1)}, (40, 6, 2, 3), convolved),
    "conv2d of 1x1": (
        ConvLowRank(a=A, b=B, scale=SCALE), {A: some(4, 6, 1, 1), B: some(40, 4, 1, 1)}, (40, 6, 1, 1), convolved),
    "conv3d": (
        ConvLowRank(a=A, b=B, scale=SCALE), {A: some(4, 3, 2, 2, 2), B: some(40, 4, 1, 1, 1)}, (40, 3, 2, 2, 2),
        convolved),
    "bias": (BiasDelta(delta=A, scale=SCALE), {A: some(40)}, (40,), lambda v: SCALE * v[A].double()),
    "experts": (
        Stacked(factors=FORTY, outputs=slice(0, 5), transposed=False),
        {A: some(80, 6), B: some(5, 80)}, (40, 5, 6), lambda v: stacked(v, 40)),
    "experts, turned": (
        Stacked(factors=FORTY, outputs=slice(0, 5), transposed=True),
        {A: some(80, 6), B: some(5, 80)}, (40, 6, 5), lambda v: stacked(v, 40).transpose(1, 2)),
    "experts, some outputs": (
        Stacked(factors=FORTY, outputs=slice(2, 5), transposed=False, shared=True),
        {A: some(80, 6), B: some(5, 80)}, (40, 3, 6), lambda v: stacked(v, 40)[:, 2:5]),
    "one expert": (
        OneExpert(factors=THREE, expert=1, rows=slice(20, 60), transposed=False),
        {A: some(6, 24), B: some(60, 6)}, (40, 24), lambda v: stacked(v, 3)[1, 20:60]),
    "one expert, turned": (
        OneExpert(factors=THREE, expert=2, rows=slice(20, 60), transposed=True),
        {A: some(6, 60), B: some(24, 6)}, (40, 24), lambda v: stacked(v, 3)[2].T[20:60]),
    "rows of one of a stack": (
        ExpertStep(
            inner=RowsStep(
                inner=LowRank(a=A, b=B, scale=SCALE, outputs=16, transposed=False), start=4, stop=20),
            expert=5, columns=3),
        {A: some(2, 3), B: some(16, 2)}, (40, 24, 3), lambda v: in_stack(SCALE * v[B].double() @ v[A].double())),
}  # fmt: skip


@pytest.fixture
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def edited(step: Step, values: Tensors, base: torch.Tensor, rows: int) -> torch.Tensor:
    """The whole tensor, `rows` at a time."""
    edit = TensorEdit(target="w", steps=(step,), wide=base.dtype == torch.float64)
    apply = edit.prepare(
        lambda wanted, rows=None: values[wanted] if rows is None else values[wanted][rows]
    )
    result = base.reshape(base.shape[0], -1).clone()
    for at in row_blocks(slice(0, len(result)), rows):
        apply(result[at], at, torch.full_like(result[at], torch.nan))
    return result.reshape(base.shape)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CASES)
def test_a_step_adds_its_delta(name: str, dtype: torch.dtype) -> None:
    step, values, shape, delta = CASES[name]
    base = some(*shape).to(dtype)
    expected = base.double() + delta(values).reshape(shape)
    bound = 1e-12 if dtype == torch.float64 else 2e-5
    torch.testing.assert_close(
        edited(step, values, base, 40).double(), expected, rtol=0, atol=bound
    )


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case[0].by_rows])
@pytest.mark.parametrize("rows", [16, 17, 20])
@pytest.mark.usefixtures("_one_thread")
def test_blocks_of_rows_give_the_bits_of_the_whole(name: str, rows: int) -> None:
    step, values, shape, _ = CASES[name]
    base = some(*shape)
    assert torch.equal(edited(step, values, base, rows), edited(step, values, base, 40))


@pytest.mark.parametrize("name", CASES)
def test_the_second_route_agrees(name: str) -> None:
    step, values, shape, _ = CASES[name]
    base = some(*shape).double()
    flat = base.reshape(shape[0], -1).numpy()

    def load(wanted: AdapterTensor, rows: slice | None = None) -> np.ndarray:
        found = values[wanted].double().numpy()
        return found if rows is None else found[rows]

    rows = slice(3, 9) if step.by_rows else slice(0, 40)
    found = step.recompute(flat[rows], rows, load)
    expected = edited(step, values, base, 40).reshape(shape[0], -1).numpy()[rows]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_pieces_of_one_parameter_share_its_factors() -> None:
    one = OneExpert(factors=THREE, expert=0, rows=slice(0, 4), transposed=False)
    some_outputs = Stacked(factors=THREE, outputs=slice(0, 4), transposed=False, shared=True)
    whole = Stacked(factors=THREE, outputs=slice(0, 8), transposed=False)
    found = [
        TensorEdit(target="w", steps=(s,), wide=False).shares for s in (one, some_outputs, whole)
    ]
    assert found == [(A, B), (A, B), ()]


def test_few_outputs_are_not_cut() -> None:
    wide = LowRank(a=A, b=B, scale=1, outputs=16, transposed=True)
    narrow = LowRank(a=A, b=B, scale=1, outputs=15, transposed=True)
    assert (wide.by_rows, narrow.by_rows) == (True, False)


def test_a_replacement_reads_only_its_rows() -> None:
    asked = []

    def load(wanted: AdapterTensor, rows: slice | None = None) -> torch.Tensor:
        asked.append(rows)
        return torch.arange(40.0).reshape(20, 2)[rows]

    edit = TensorEdit(target="w", steps=(Replacement(tensor=A),), wide=False)
    block = torch.zeros(4, 2)
    edit.prepare(load)(block, slice(2, 6), torch.empty(4, 2))
    assert torch.equal(block, torch.arange(4.0, 12.0).reshape(4, 2))
    assert asked == [slice(2, 6)]
    assert not edit.reads_base


def test_a_chain_adds_in_its_order() -> None:
    other = AdapterTensor(adapter=1, name="b")
    steps = (
        Replacement(tensor=A),
        BiasDelta(delta=B, scale=2.0),
        BiasDelta(delta=other, scale=0.5),
    )
    edit = TensorEdit(target="w", steps=steps, wide=False)
    values = {A: torch.tensor([1e8]), B: torch.tensor([1.0]), other: torch.tensor([-2e8])}
    block = torch.tensor([[7.0]])
    edit.prepare(lambda wanted, _rows=None: values[wanted])(block, slice(0, 1), torch.empty(1, 1))
    # In this order the 2 is lost beside 1e8; the other way around it would stay.
    assert block.item() == (np.float32(1e8) + np.float32(2)) - np.float32(1e8)
    assert edit.uses == (A, B, other)
    # The second route loses nothing, and the values that are replaced don't matter to it.
    unknown = np.full((1, 1), np.nan)
    found = edit.recompute(
        unknown, slice(0, 1), lambda wanted, _rows=None: values[wanted].double().numpy().reshape(-1)
    )
    assert found.tolist() == [[2.0]]


@pytest.mark.parametrize("name", CASES)
def test_a_chain_is_cut_as_its_most_demanding_step(name: str) -> None:
    step = CASES[name][0]
    edit = TensorEdit(target="w", steps=(Replacement(tensor=A), step), wide=False)
    assert edit.by_rows is step.by_rows
    assert (edit.reads_base, TensorEdit(target="w", steps=(step,), wide=False).reads_base) == (
        False,
        True,
    )
