"""Adapters that change nothing, far too much, or a part of the layers: the plan and the report say so."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from adapter_merge import assemble
from adapter_merge.cli.screen import plan_screen
from adapter_merge.cli.show import on_stdout
from adapter_merge.finding import Finding, Outcome
from adapter_merge.kept import plan_json
from adapter_merge.request import Request
from tests.build import DOWN, Case, adapter_tensors, make_case, write_adapter
from tests.contract import makers


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


def adapter(case: Case, change: Callable[[str, np.ndarray], np.ndarray], **config: object) -> Path:
    tensors = {n: change(n, t) + np.float32(0) for n, t in adapter_tensors().items()}  # no -0.0
    return write_adapter(case.adapter.with_name("odd"), tensors, **config)


def found(case: Case, path: Path, code: str) -> tuple[list[str], Finding]:
    """What the plan warns of under a code, and the report's finding."""
    plan = assemble.plan(case.request(adapters=(str(path),)))
    report = case.run(adapters=(str(path),))
    assert report.status == "merged", report.error
    (finding,) = (f for f in report.findings if f.code == code)
    return [w.message for w in plan.warnings if w.code == code], finding


def test_an_adapter_that_was_never_trained(case: Case) -> None:
    said, finding = found(case, adapter(case, lambda n, t: t * ("lora_B" not in n)), "T018")
    assert finding.outcome is Outcome.WARN
    assert finding.message == said[0]
    assert "every `lora_B`" in said[0]
    assert "changes nothing" in said[0]


def test_what_only_the_merge_shows(case: Case) -> None:
    """`lora_A` alone is zero: no header says so, and no sensible training does it."""
    said, finding = found(case, adapter(case, lambda n, t: t * ("lora_A" not in n)), "T018")
    assert said == []
    assert finding.outcome is Outcome.WARN
    assert "changes no weight" in finding.message


@pytest.mark.parametrize(("times", "outcome"), [(1, Outcome.PASS), (4, Outcome.WARN)])
def test_a_change_as_large_as_no_training_makes_it(
    case: Case, times: int, outcome: Outcome
) -> None:
    said, finding = found(case, adapter(case, lambda _n, t: t * times), "T018")
    assert said == []
    assert finding.outcome is outcome
    assert ("the base may be another model" in finding.message) is (times > 1)


def test_one_module_with_values_is_no_zero(case: Case) -> None:
    said, finding = found(
        case, adapter(case, lambda n, t: t * ("lora_B" not in n or DOWN in n)), "T018"
    )
    assert (said, finding.outcome) == ([], Outcome.PASS)


def test_the_plan_begins_with_its_warnings(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    path = adapter(case, lambda n, t: t * ("lora_B" not in n))
    drafted, forecast = assemble.dry_run(case.request(adapters=(str(path),)))
    on_stdout().print(plan_screen(drafted, forecast))
    first, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("warning")
    assert "every `lora_B`" in first
    assert json.loads(plan_json(drafted, forecast))["warnings"][0]["code"] == "T018"


def test_a_pattern_that_is_none_stops_no_plan(tmp_path: Path) -> None:
    request = _half(tmp_path, {"target_modules": ALL}, lambda n: n < 2)
    makers.change_config(tmp_path / "adapter", target_modules="(")
    assert assemble.plan(request).warnings == ()


LAYERS = 4
ALL = ["q_proj", "up_proj"]


def _half(root: Path, lora: Mapping[str, object], kept: Callable[[int], bool]) -> Request:
    """An adapter of all layers, of whose file some are left."""
    base = makers.save_base(makers.llama(num_hidden_layers=LAYERS), root / "base")
    model = makers.loaded(base, "AutoModelForCausalLM")
    path = makers.save_adapter(model, root / "adapter", lora)
    makers.change_tensors(
        path,
        lambda ts: {n: t for n, t in ts.items() if kept(int(n.split("layers.")[1].split(".")[0]))},
    )
    values = {"base": str(base), "adapters": [str(path)], "to": str(root / "out")}
    return Request.model_validate(values)


@pytest.mark.parametrize(
    "lora",
    [
        {"target_modules": ALL},
        {"target_modules": r".*\.(q_proj|up_proj)"},
        {"target_modules": "all-linear"},
    ],
    ids=str,
)
def test_half_of_the_layers(tmp_path: Path, lora: dict[str, object]) -> None:
    request = _half(tmp_path, lora, lambda n: n < 2)
    (said,) = assemble.plan(request).warnings
    assert said.code == "T011"
    assert "adapts 2 of 4 layers of `model.layers`" in said.message
    report = assemble.run(request.model_copy(update={"probe": "off"}))
    (finding,) = (f for f in report.findings if f.code == "T011")
    assert finding.outcome is Outcome.WARN
    assert said.message in finding.message


@pytest.mark.parametrize(
    ("lora", "kept"),
    [
        ({"target_modules": ALL}, range(LAYERS)),
        ({"target_modules": ALL, "layers_to_transform": [0, 1]}, range(2)),
        ({"target_modules": r".*layers\.[01]\.self_attn\.q_proj"}, range(2)),
        ({"target_modules": ["0.self_attn.q_proj", "3.mlp.up_proj"]}, (0, 3)),
    ],
    ids=str,
)
def test_layers_that_the_config_leaves_out(
    tmp_path: Path, lora: dict[str, object], kept: range
) -> None:
    assert assemble.plan(_half(tmp_path, lora, lambda n: n in kept)).warnings == ()


def test_layers_of_other_kinds_are_not_missed(tmp_path: Path) -> None:
    """Attention in every other layer, as in hybrid models."""
    from transformers import JambaConfig, JambaForCausalLM

    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_experts": 2}
    config = JambaConfig(
        **sizes,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        attn_layer_period=2,
        attn_layer_offset=1,
        expert_layer_period=4,
        mamba_d_state=4,
        mamba_dt_rank=4,
        use_mamba_kernels=False,
        tie_word_embeddings=False,
    )
    base = makers.save_base(JambaForCausalLM(config), tmp_path / "base")
    model = makers.loaded(base, "AutoModelForCausalLM")
    path = makers.save_adapter(model, tmp_path / "adapter", {"target_modules": ["q_proj"]})
    values = {"base": str(base), "adapters": [str(path)], "to": str(tmp_path / "out")}
    assert assemble.plan(Request.model_validate(values)).warnings == ()


def test_a_text_adapter_on_a_model_that_sees(tmp_path: Path) -> None:
    """Trained on the text model: its list of endings fits the vision tower too, which it never had."""
    from transformers import Gemma3ForCausalLM

    base = makers.save_base(makers.gemma_vision(), tmp_path / "base")
    whole = makers.loaded(base, "AutoModelForImageTextToText")
    text = Gemma3ForCausalLM(whole.config.text_config)
    path = makers.save_adapter(
        text, tmp_path / "adapter", {"target_modules": ["q_proj", "k_proj", "v_proj"]}
    )
    values = {"base": str(base), "adapters": [str(path)], "to": str(tmp_path / "out")}
    request = Request.model_validate({**values, "probe": "off", "ignore": ("F005", "F006")})
    report = assemble.run(request)
    assert report.status == "merged", report.error
    (finding,) = (f for f in report.findings if f.code == "T011")
    assert finding.outcome is Outcome.PASS, finding.message
