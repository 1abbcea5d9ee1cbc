"""Faults among the tensors: each is planted in a good merge and found under its code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch

from adapter_merge.adapters.steps import Replacement, TensorEdit
from adapter_merge.finding import Finding, Outcome
from adapter_merge.plan import AdapterTensor, Edit
from tests.checks.tiny import (
    ADDED,
    EMBED,
    FIRST,
    HEAD,
    NORM,
    SCALE,
    SECOND,
    Case,
    Tensors,
    adapter_tensors,
    base_tensors,
    having,
    low_rank,
    merged_tensors,
    outcomes,
    rewrite,
)

Change = Callable[[Tensors], object]


def put(name: str, make: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    return lambda tensors: tensors.update({name: make(tensors[name])})


def set_to(name: str, value: float) -> Change:
    return lambda tensors: tensors[name].view(-1)[-1:].fill_(value)


def take(name: str, scale: float) -> Change:
    """The tensor as a merge with another scale gives it."""
    merged = merged_tensors(base_tensors(), adapter_tensors(), scale)
    return lambda tensors: tensors.update({name: merged[name]})


BREAKING = [
    ("T001", lambda tensors: tensors.pop(NORM)),
    ("T001", lambda tensors: tensors.pop(ADDED)),
    ("T001", lambda tensors: tensors.update(new=torch.ones(1))),
    ("T002", put(SECOND, lambda t: t.T)),
    ("T002", put(NORM, lambda t: t[:, None])),
    ("T003", put(FIRST, lambda t: t.float())),
    ("T003", put(NORM, lambda t: t.half())),
    ("T004", set_to(NORM, 1.0000001)),
    ("T004", set_to(EMBED, -7.0)),
    ("T005", take(FIRST, 1.0)),
    ("T005", take(FIRST, 4.0)),
    ("T005", take(SECOND, 0.0)),
    ("T005", put(FIRST, lambda t: t.flip(0))),
    ("T005", put(SECOND, lambda t: t.T.reshape(t.shape))),
    ("T005", set_to(FIRST, 0.0)),
    ("T005", set_to(ADDED, 0.0)),
    ("T005", put(ADDED, lambda t: torch.nextafter(t, t + 1))),
    ("T006", set_to(FIRST, float("nan"))),
    ("T006", set_to(NORM, float("inf"))),
    ("T006", set_to(ADDED, float("-inf"))),
    ("T008", take(FIRST, 0.0)),
    ("T008", set_to(NORM, 2.0)),
    ("T009", set_to(HEAD, 3.0)),
]


@pytest.mark.parametrize(("code", "change"), BREAKING)
def test_planted_fault_fails(case: Case, code: str, change: Change) -> None:
    case.change(change)
    assert code in having(case.own(), Outcome.FAIL)


@pytest.fixture
def apart(case: Case) -> Case:
    """A merge that unties: both tensors are there, and no flag ties them."""
    write_config(case, tie_word_embeddings=False, text_config={"tie_word_embeddings": False})
    return case.with_plan(tied=(), untied=(EMBED, HEAD))


def write_config(case: Case, **values: object) -> None:
    path = case.folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_untied_tensors_may_differ(apart: Case) -> None:
    apart.change(set_to(HEAD, 3.0))
    assert "T009" in having(apart.own(), Outcome.PASS)


STILL_TIED: Mapping[str, Mapping[str, object]] = {
    "at the top": {"tie_word_embeddings": True},
    "for the text model": {"text_config": {"tie_word_embeddings": True}},
    "by the class's own default": {"tie_word_embeddings": None},
}


@pytest.mark.parametrize("values", STILL_TIED.values(), ids=STILL_TIED.keys())
@pytest.mark.parametrize("judge", [Case.own, Case.foreign])
def test_untied_tensors_that_a_flag_ties(
    judge: Callable[[Case], tuple[Finding, ...]], values: Mapping[str, object], apart: Case
) -> None:
    write_config(apart, **values)
    found = {f.code: f for f in judge(apart)}["T009"]
    assert found.outcome is Outcome.FAIL
    assert "still ties" in found.message


@pytest.mark.parametrize("judge", [Case.own, Case.foreign])
def test_an_untied_head_that_is_missing(
    judge: Callable[[Case], tuple[Finding, ...]], apart: Case
) -> None:
    apart.change(lambda tensors: tensors.pop(HEAD))
    assert having(judge(apart), Outcome.FAIL) >= {"T001", "T009"}


def test_wrong_base(case: Case) -> None:
    rewrite(case.base, put(FIRST, lambda t: t.roll(1, 0)))
    rewrite(case.base, put(NORM, lambda t: t * 2))
    assert having(case.own(), Outcome.FAIL) == {"T004", "T005", "T008"}


def test_adapter_tensor_that_nothing_uses(case: Case) -> None:
    extra = AdapterTensor(adapter=0, name="left.over")
    case = case.with_plan(adapter_tensors=(*case.plan.adapter_tensors, extra))
    assert having(case.own(), Outcome.FAIL) == {"T007"}


def test_adapter_applied_twice(case: Case) -> None:
    step = low_rank(FIRST, "first").steps[0]
    twice = TensorEdit(target=FIRST, steps=(step, step), wide=False)
    case.change(take(FIRST, 2 * SCALE))
    assert having(with_edit(case, FIRST, twice).own(), Outcome.FAIL) == {"T007"}


def with_edit(case: Case, name: str, edit: Edit | None) -> Case:
    shard = case.plan.shards[0]
    tensors = tuple(replace(t, edit=edit) if t.info.name == name else t for t in shard.tensors)
    return case.with_plan(shards=(replace(shard, tensors=tensors),))


def test_delta_on_a_replaced_tensor_may_round(case: Case) -> None:
    replaced = Replacement(tensor=AdapterTensor(adapter=0, name="score"))
    delta = low_rank(ADDED, "first").steps[0]
    both = TensorEdit(target=ADDED, steps=(replaced, delta), wide=False)
    saved = adapter_tensors()
    rows = saved["score"] + SCALE * (saved["first.B"][:3] @ saved["first.A"])
    case.change(put(ADDED, lambda t: rows.to(t.dtype)))
    case = with_edit(case, ADDED, both)
    assert "T005" not in having(case.own(), Outcome.FAIL)
    case.change(put(ADDED, lambda t: (rows * 1.01).to(t.dtype)))
    assert "T005" in having(case.own(), Outcome.FAIL)


def test_delta_of_zero_warns(case: Case) -> None:
    case.change(take(FIRST, 0.0))
    findings = with_edit(case, FIRST, low_rank(FIRST, "first", scale=0.0)).own()
    assert outcomes(findings)["T008"] == {Outcome.WARN}
    assert not having(findings, Outcome.FAIL)


def test_delta_that_rounding_swallows_warns(case: Case) -> None:
    case.change(take(FIRST, 1e-9))
    case.change(take(SECOND, 1e-9))
    for name, key in ((FIRST, "first"), (SECOND, "second")):
        case = with_edit(case, name, low_rank(name, key, scale=1e-9))
    found = outcomes(case.own())
    assert (found["T008"], found["T010"]) == ({Outcome.WARN}, {Outcome.WARN})


def test_infinity_of_the_base_warns(case: Case) -> None:
    for folder in (case.base, case.folder):
        rewrite(folder, set_to(NORM, float("-inf")))
    assert outcomes(case.own())["T006"] == {Outcome.WARN}


def test_infinity_in_a_folder_alone_fails(case: Case) -> None:
    case.change(set_to(FIRST, float("inf")))
    assert having(case.alone(), Outcome.FAIL) == {"T006"}


@pytest.mark.parametrize("missing", [EMBED, HEAD])
def test_others_may_drop_one_of_a_tied_pair(case: Case, missing: str) -> None:
    case.change(lambda tensors: tensors.pop(missing))
    assert outcomes(case.foreign())["T001"] == {Outcome.WARN}
    assert not having(case.foreign(), Outcome.FAIL)
    assert "T001" in having(case.own(), Outcome.FAIL)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_others_may_choose_another_dtype(case: Case, dtype: torch.dtype) -> None:
    wide = {n: t.float() for n, t in base_tensors().items()}
    merged = merged_tensors(wide, adapter_tensors())
    case.change(lambda tensors: tensors.update({n: t.to(dtype) for n, t in merged.items()}))
    found = outcomes(case.foreign())
    assert found["T003"] == {Outcome.WARN}
    assert found["T004"] == found["T005"] == {Outcome.PASS}


@pytest.mark.parametrize("scale", [0.0, 1.0, 4.0])
def test_wrong_scale_of_others(case: Case, scale: float) -> None:
    case.change(take(FIRST, scale))
    assert "T005" in having(case.foreign(), Outcome.FAIL)


def test_failure_names_ten_tensors_at_most(case: Case) -> None:
    case.change(lambda tensors: [tensors.update({f"new{i}": torch.ones(1)}) for i in range(20)])
    (finding,) = [f for f in case.own() if f.code == "T001"]
    assert finding.message.startswith("20 tensors differ in name; not planned: `new0`, `new1`")
    assert finding.evidence["unknown"] == [f"new{i}" for i in (0, 1, *range(10, 18))]
