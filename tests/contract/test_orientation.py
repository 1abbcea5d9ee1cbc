"""Factors whose sides are swapped: PEFT loads them for no layer but the one that they were made for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import peft
import pytest

from tests.contract.makers import (
    Build,
    Tensors,
    bert,
    change_config,
    change_tensors,
    gpt2,
    llama,
    loaded,
    save_adapter,
    save_base,
    t5,
    tensors_of,
    vit,
)
from tests.contract.oracle import differing, merged_by_peft, ours, with_adapters

CAUSAL = "AutoModelForCausalLM"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A layer of a class; the adapter's factors for it get each other's sides."""

    model: Build
    auto: str
    module: str
    fan_in_fan_out: bool = False


CASES = {
    "llama, a projection into blocks": Case(model=llama, auto=CAUSAL, module="up_proj"),
    "llama, grouped keys": Case(model=llama, auto=CAUSAL, module="k_proj"),
    "llama, the head": Case(model=llama, auto=CAUSAL, module="lm_head"),
    "bert": Case(model=bert, auto="AutoModel", module="intermediate.dense"),
    "t5": Case(model=t5, auto="AutoModelForSeq2SeqLM", module="wo"),
    "vit": Case(model=vit, auto="AutoModelForImageClassification", module="fc1"),
    "gpt2, `Conv1D`": Case(model=gpt2, auto=CAUSAL, module="c_attn", fan_in_fan_out=True),
    "gpt2, another `Conv1D`": Case(model=gpt2, auto=CAUSAL, module="c_fc", fan_in_fan_out=True),
}


def _swapped(tensors: Tensors) -> Tensors:
    """`lora_A` of as many columns as `lora_B` has rows, and the other way round."""
    found: Tensors = {}
    for name, a in tensors.items():
        if ".lora_A." in name:
            other = name.replace(".lora_A.", ".lora_B.")
            found[name], found[other] = tensors[other].T, a.T
    return {**tensors, **found}


def _saved(case: Case, root: Path, **more: object) -> tuple[Path, Path]:
    base, adapter = save_base(case.model(), root / "base"), root / "adapter"
    lora = {"target_modules": [case.module], "fan_in_fan_out": case.fan_in_fan_out}
    return base, save_adapter(loaded(base, case.auto), adapter, {**lora, **more})


@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_what_peft_cannot_load_is_refused(name: str, dora: bool, tmp_path: Path) -> None:
    case = CASES[name]
    base, adapter = _saved(case, tmp_path, use_dora=dora)
    change_tensors(adapter, _swapped)
    with pytest.raises(RuntimeError, match="size mismatch"):
        peft.PeftModel.from_pretrained(loaded(base, case.auto), adapter)
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is not None
    assert report.error.type == "ShapeMismatch"
    assert case.module in report.error.message
    assert not (tmp_path / "out").exists()


def test_layers_that_store_inputs_first_beside_others(tmp_path: Path) -> None:
    """One config for both kinds: PEFT's `fan_in_fan_out` is that of the last layer it met."""
    targets = ["c_attn", "c_proj", "c_fc", "lm_head"]
    case = Case(model=partial(gpt2, tied=False), auto=CAUSAL, module="c_fc")
    base, adapter = _saved(case, tmp_path, target_modules=targets)
    report = ours(base, {adapter: 1.0}, tmp_path / "out", ignore=("F005", "F006"))
    assert report.status == "merged", report.error
    expected = merged_by_peft(
        with_adapters(loaded(base, case.auto), {adapter: 1.0}), 1, tmp_path / "expected"
    )
    assert differing(tensors_of(tmp_path / "out"), expected) == []


def test_a_class_of_its_own_code_that_uses_conv1d(tmp_path: Path) -> None:
    """Its type says nothing; its biases do, for the square `c_proj` too."""
    case = Case(model=gpt2, auto=CAUSAL, module="c_fc")
    base, adapter = _saved(case, tmp_path, target_modules=["c_attn", "c_proj", "c_fc"])
    expected = merged_by_peft(
        with_adapters(loaded(base, case.auto), {adapter: 1.0}), 1, tmp_path / "expected"
    )
    change_config(base, model_type="jais")
    report = ours(base, {adapter: 1.0}, tmp_path / "out", ignore=("F005", "F006"))
    assert report.status == "merged", report.error
    assert differing(tensors_of(tmp_path / "out"), expected) == []
