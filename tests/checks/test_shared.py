"""T007 where several edits use one tensor: allowed for those that layers share, and for no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapter_merge.adapters.layer_step import LayerStep
from adapter_merge.adapters.steps import TensorEdit
from adapter_merge.checks.seen import Seen
from adapter_merge.checks.tensors import UsedOnce
from adapter_merge.finding import Finding, Outcome
from adapter_merge.plan import AdapterTensor, LayerTensor, Plan
from adapter_merge.stages.validate import _look, _Subject
from tests.checks.tiny import FIRST, SECOND, Case

OWN = tuple(AdapterTensor(adapter=0, name=f"first.{part}") for part in "AB")
ALL = tuple(AdapterTensor(adapter=0, name=f"second.{part}") for part in "AB")


def edit(
    target: str, uses: tuple[AdapterTensor, ...], shares: tuple[AdapterTensor, ...]
) -> TensorEdit:
    layer = LayerTensor(adapter=0, module=target.removesuffix(".weight"), parameter="weight")
    step = LayerStep(layer=layer, shape=(), uses=uses, shares=shares)
    return TensorEdit(target=target, steps=(step,), wide=False)


def judged(case: Case, first: TensorEdit, second: TensorEdit) -> Finding:
    edits = {FIRST: first, SECOND: second}
    (shard,) = case.plan.shards
    tensors = tuple(replace(t, edit=edits.get(t.info.name, t.edit)) for t in shard.tensors)
    plan: Plan = case.with_plan(shards=(replace(shard, tensors=tensors),)).plan
    seen = replace(_seen(case), plan=plan)
    (found,) = UsedOnce().judge(seen)
    return found


def _seen(case: Case) -> Seen:
    return _look(
        _Subject(
            name="x",
            folder=case.folder,
            plan=case.plan,
            sources=case.sources,
            recorded=None,
            foreign=False,
            home=case.folder,
            settings={},
        ),
        workers=1,
        advance=lambda _: None,
    )


@pytest.mark.parametrize(
    ("shares", "outcome"), [(ALL, Outcome.PASS), ((), Outcome.FAIL), (ALL[:1], Outcome.FAIL)]
)
def test_what_is_used_twice(
    shares: tuple[AdapterTensor, ...], outcome: Outcome, case: Case
) -> None:
    first, second = edit(FIRST, (*OWN, *ALL), shares), edit(SECOND, ALL, shares)
    assert judged(case, first, second).outcome is outcome


def test_a_shared_tensor_that_nobody_uses(case: Case) -> None:
    first, second = edit(FIRST, OWN, ()), edit(SECOND, (), ALL)
    assert judged(case, first, second).outcome is Outcome.FAIL
