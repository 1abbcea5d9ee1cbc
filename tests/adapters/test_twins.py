"""One change for two tied tensors: what counts as used, and halves that have to agree."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adapter_merge.adapters.contribution import Step
from adapter_merge.adapters.steps import LowRank, Replacement
from adapter_merge.adapters.twins import Agreed, Echo
from adapter_merge.errors import Corrupt
from adapter_merge.plan import AdapterTensor

A, B, C, D = (AdapterTensor(adapter=0, name=name) for name in "abcd")
# The same product: of an embedding, and of the head that is tied to it.
EMBEDDING = LowRank(a=A, b=B, scale=2.0, outputs=24, transposed=True)
HEAD = LowRank(a=C, b=D, scale=2.0, outputs=40, transposed=False)
VALUES = {A: torch.randn(4, 40), B: torch.randn(24, 4)}
VALUES |= {C: VALUES[B].T.contiguous(), D: VALUES[A].T.contiguous()}


def applied(step: Step, values: dict[AdapterTensor, torch.Tensor]) -> torch.Tensor:
    apply = step.prepare(
        lambda wanted, rows=None: values[wanted][rows or ...], compute=torch.float32
    )
    block = torch.ones(40, 24)
    apply(block, slice(0, 40), torch.empty(40, 24))
    return block


@pytest.mark.parametrize("step", [EMBEDDING, HEAD, Replacement(tensor=A)])
def test_an_echo_does_the_same_and_uses_nothing(step: Step) -> None:
    values = {**VALUES, A: torch.randn(40, 24)} if step.replaces else VALUES
    echo = Echo(step=step)
    assert echo.uses == ()
    assert (echo.replaces, echo.by_rows) == (step.replaces, step.by_rows)
    assert torch.equal(applied(echo, values), applied(step, values))


def test_halves_that_agree() -> None:
    both = Agreed(step=EMBEDDING, other=HEAD, label="./adapter")
    assert both.uses == (A, B, C, D)
    assert (both.replaces, both.by_rows) == (False, True)
    assert torch.equal(applied(both, VALUES), applied(EMBEDDING, VALUES))
    rows, base = slice(3, 9), np.ones((6, 24))
    found = both.recompute(base, rows, lambda wanted, _rows=None: VALUES[wanted].double().numpy())
    assert np.allclose(found, applied(EMBEDDING, VALUES)[rows].numpy(), atol=1e-5)


@pytest.mark.parametrize("half", [A, B, C, D])
def test_halves_that_differ(half: AdapterTensor) -> None:
    both = Agreed(step=EMBEDDING, other=HEAD, label="./adapter")
    with pytest.raises(
        Corrupt, match=r"`\./adapter` ties .* different values .*`a` and `b` and `c`"
    ):
        applied(both, VALUES | {half: VALUES[half] * 1.01})
