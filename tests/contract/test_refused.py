"""What can't be merged is refused by its name, and what looks like it and can be is merged."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from adapter_merge.adapters.lora_options import LoraOptions
from adapter_merge.adapters.refused import HARMLESS, KEPT_BASE, LAYERED_OPTIONS, LORA_OPTIONS
from adapter_merge.methods import METHODS, Route
from adapter_merge.report import ErrorRecord
from adapter_merge.sources import AdapterConfig
from tests.contract.makers import (
    Tensors,
    change_config,
    change_tensors,
    llama,
    loaded,
    save_adapter,
    save_base,
    tensors_of,
)
from tests.contract.oracle import differing, merged_by_peft, ours, with_adapters

CAUSAL, SEQ2SEQ = "AutoModelForCausalLM", "AutoModelForSeq2SeqLM"
Q: Mapping[str, object] = {"target_modules": ["q_proj"]}


def error_of(base: Path, adapter: Path, to: Path) -> ErrorRecord:
    report = ours(base, {adapter: 1.0}, to)
    assert report.status == "failed"
    assert not to.exists()
    assert report.error is not None
    return report.error


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return save_base(llama(), tmp_path / "base")


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    return save_adapter(loaded(base, CAUSAL), tmp_path / "adapter", Q)


REFUSED = [name for name, method in METHODS.items() if method.route is Route.NONE]


@pytest.mark.parametrize("peft_type", [*REFUSED, "OF_NEXT_YEAR"])
def test_a_method_without_a_merged_form(
    peft_type: str, base: Path, adapter: Path, tmp_path: Path
) -> None:
    change_config(adapter, peft_type=peft_type)
    error = error_of(base, adapter, tmp_path / "out")
    assert (error.type, error.code) == ("AdapterKind", 4)
    assert peft_type in error.message


def _two_runs_of_rows(tensors: Tensors) -> Tensors:
    return {n: torch.cat([t, t]) if "lora_A" in n else t for n, t in tensors.items()}


def _old_merged_linear(tensors: Tensors) -> Tensors:
    rows = _two_runs_of_rows(tensors)
    return {n: t[:, :, None] if "lora_B" in n else t for n, t in rows.items()}


# An option as PEFT saves it, and the word that the message has for it.
SAVED = {
    "PiSSA": ({"init_lora_weights": "pissa"}, "PiSSA"),
    "PiSSA in steps": ({"init_lora_weights": "pissa_niter_4"}, "PiSSA"),
    "OLoRA": ({"init_lora_weights": "olora"}, "OLoRA"),
    "LoRA-GA": ({"init_lora_weights": "lora_ga"}, "LoRA-GA"),
    "copied layers": ({"layer_replication": [[0, 2], [1, 2]]}, "layer_replication"),
}


@pytest.mark.parametrize(("lora", "word"), SAVED.values(), ids=SAVED.keys())
def test_an_adapter_that_peft_saved(
    lora: Mapping[str, object], word: str, base: Path, tmp_path: Path
) -> None:
    adapter = save_adapter(loaded(base, CAUSAL), tmp_path / "adapter", {**Q, **lora})
    error = error_of(base, adapter, tmp_path / "out")
    assert (error.type, error.code) == ("AdapterKind", 4)
    assert word in error.message


# What PEFT saves after preparations that need more than a tiny model.
WRITTEN = {
    "CorDA": ({"init_lora_weights": "corda"}, "CorDA"),
    "LoftQ": ({"init_lora_weights": "loftq"}, "LoftQ"),
    "an unknown start": ({"init_lora_weights": "of_next_year"}, "of_next_year"),
    "an unknown option": ({"use_next_year": True}, "use_next_year"),
    "aLoRA": ({"alora_invocation_tokens": [5, 6]}, "alora_invocation_tokens"),
    "Arrow": ({"arrow_config": {"top_k": 2}}, "arrow_config"),
    "MergedLinear by its config": ({"enable_lora": [True, False, True]}, "MergedLinear"),
    "no method": ({"peft_type": None}, "peft_type"),
}


@pytest.mark.parametrize(("values", "word"), WRITTEN.values(), ids=WRITTEN.keys())
def test_an_adapter_by_its_config(
    values: Mapping[str, object], word: str, base: Path, adapter: Path, tmp_path: Path
) -> None:
    change_config(adapter, **values)
    error = error_of(base, adapter, tmp_path / "out")
    assert (error.type, error.code) == ("AdapterKind", 4)
    assert word in error.message


@pytest.mark.parametrize("change", [_two_runs_of_rows, _old_merged_linear])
def test_a_merged_linear_by_its_rows(
    change: Callable[[Tensors], Tensors], base: Path, adapter: Path, tmp_path: Path
) -> None:
    change_tensors(adapter, change)
    error = error_of(base, adapter, tmp_path / "out")
    assert (error.type, error.code) == ("AdapterKind", 4)
    assert "MergedLinear" in error.message


BASES = {
    "code of its own": ({"auto_map": {"AutoModel": "modeling.Own"}}, "RemoteCode", "auto_map"),
    "quantised": (
        {"quantization_config": {"quant_method": "bitsandbytes"}},
        "QuantisedBase",
        "quantization_config",
    ),
}


@pytest.mark.parametrize(("values", "kind", "word"), BASES.values(), ids=BASES.keys())
def test_a_base(
    values: Mapping[str, object], kind: str, word: str, base: Path, adapter: Path, tmp_path: Path
) -> None:
    change_config(base, **values)
    error = error_of(base, adapter, tmp_path / "out")
    assert (error.type, error.code) == (kind, 4)
    assert word in error.message


@pytest.mark.parametrize("init", [True, False, *sorted(KEPT_BASE)])
def test_an_accepted_start_leaves_the_base_alone(init: bool | str, base: Path) -> None:
    assert _changed_at_start(base, init) == []


@pytest.mark.parametrize("init", ["pissa", "pissa_niter_4", "olora", "OLoRA"])
def test_a_refused_start_changes_the_base(init: str, base: Path) -> None:
    assert len(_changed_at_start(base, init)) == 2


def _changed_at_start(base: Path, init: bool | str) -> list[str]:
    """Tensors of the base that differ once PEFT has put a LoRA on it."""
    import peft

    lora = peft.LoraConfig(r=8, target_modules=["q_proj"], init_lora_weights=init)
    state: Tensors = peft.get_peft_model(loaded(base, CAUSAL), lora).state_dict()
    after = {
        name.removeprefix("base_model.model.").replace(".base_layer", ""): tensor
        for name, tensor in state.items()
    }
    return differing(after, tensors_of(base))


def test_a_converted_pissa_adapter_is_merged(base: Path, tmp_path: Path) -> None:
    trained = _converted_pissa(base, tmp_path / "pissa")
    report = ours(base, {tmp_path / "pissa": 1.0}, tmp_path / "out")
    assert report.status == "merged"
    found = tensors_of(tmp_path / "out")
    model = with_adapters(loaded(base, CAUSAL), {tmp_path / "pissa": 1.0})
    assert differing(found, merged_by_peft(model, 1, tmp_path / "peft")) == []
    for name, tensor in trained.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5)
    assert differing(found, tensors_of(base)) != []


def _converted_pissa(base: Path, folder: Path) -> Tensors:
    """Train a PiSSA adapter a little and save it converted; gives the trained model's weights."""
    import peft

    lora = peft.LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights="pissa")
    wrapped = peft.get_peft_model(loaded(base, CAUSAL), lora)
    start = folder.parent / "start"
    wrapped.save_pretrained(start)
    config = json.loads((start / "adapter_config.json").read_text())
    (start / "adapter_config.json").write_text(json.dumps(config | {"init_lora_weights": True}))
    with torch.no_grad():
        for parameter in wrapped.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    wrapped.save_pretrained(folder, path_initial_model_for_weight_conversion=str(start))
    state: Tensors = wrapped.merge_and_unload().state_dict()
    return state


def test_an_empty_adapter(base: Path, adapter: Path, tmp_path: Path) -> None:
    change_tensors(adapter, lambda _tensors: {})
    error = error_of(base, adapter, tmp_path / "out")
    assert (error.type, error.code) == ("Corrupt", 3)


def test_every_option_of_lora_is_known() -> None:
    import peft

    fields = {field.name for field in dataclasses.fields(peft.LoraConfig)}
    ours = {*AdapterConfig.model_fields, *LoraOptions.model_fields}
    assert fields - ours - LORA_OPTIONS.keys() - HARMLESS - LAYERED_OPTIONS == set()


def test_an_option_is_known_for_one_reason() -> None:
    ours = {*AdapterConfig.model_fields, *LoraOptions.model_fields}
    assert not (ours & LORA_OPTIONS.keys())
    assert not (ours & HARMLESS)
    assert not (LORA_OPTIONS.keys() & HARMLESS)
    assert not (LAYERED_OPTIONS & (HARMLESS | LORA_OPTIONS.keys() | ours))
