"""Adapters of experts in every trainer's convention: right, or refused with the reason; never wrong in silence."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_merge.errors import (
    AdapterKind,
    AdapterMergeError,
    Ambiguous,
    MissingTarget,
    RequestError,
    ShapeMismatch,
    Unclaimed,
)
from adapter_merge.finding import Outcome
from adapter_merge.folder import read_receipt
from tests.build import PREFIX
from tests.contract.conventions import Written, largest_error, tiny, write_adapter, write_fused
from tests.contract.makers import Tensors, loaded, save_base
from tests.contract.merges import planned
from tests.contract.oracle import merged_by_peft, ours, with_adapters
from tests.contract.test_methods import checked, finding, own_class
from tests.encoders.models import tokenizer

QWEN = tiny("qwen3_moe", num_experts=12, moe_intermediate_size=24)
# hidden_size == 2 * intermediate_size makes `gate_up_proj` square.
MINIMAX = tiny("minimax_m2", num_local_experts=12, intermediate_size=16)
OLMOE = tiny("olmoe", num_experts=12, intermediate_size=16)
GRANITE = tiny("granitemoe", num_local_experts=12, intermediate_size=16)
# hidden_size == intermediate_size makes `down_proj` square.
GPT_OSS = tiny("gpt_oss", num_local_experts=12, intermediate_size=32)
PRIVACY = tiny(
    "openai_privacy_filter",
    "AutoModelForTokenClassification",
    pad_token_id=0,
    num_local_experts=12,
    intermediate_size=32,
)

GATE, DOWN = ("gate_up_proj",), ("down_proj",)
BOTH = (*GATE, *DOWN)
FIXED = {"auto_mapping": {"unsloth_fixed": True}}
_LAYOUT = "--expert-layout"
_PAGE = Path(__file__).parents[2] / "docs" / "expert_conventions.py"
_TESTED_ELSEWHERE = {"by number"}  # tests/contract/test_experts.py


def _marked(layout: object, **more: object) -> Mapping[str, object]:
    return {"lora_B_layout": layout, **more}


def _nested(layout: object, number: int = 12, **more: object) -> Mapping[str, object]:
    own = {p: {"lora_B_layout": layout, "num_experts": number} for p in BOTH}
    return {
        "unsloth_fused_expert_lora": {
            "lora_A_layout": "grouped_by_expert",
            "parameters": own,
            **more,
        }
    }


@dataclass(frozen=True)
class Case:
    """A base, an adapter by rule, settings, and the error that is expected instead of the right weights."""

    build: Callable[[], Any]
    written: Written
    settings: Mapping[str, object] = field(default_factory=dict)
    error: type[AdapterMergeError] | None = None
    part: str = ""


def _square(
    build: Callable[[], Any],
    parameters: tuple[str, ...],
    version: str | None,
    transposed: bool,
    **more: Any,
) -> Case:
    config = {"peft_version": version, **more.pop("config", {})}
    written = Written(parameters=parameters, transposed=transposed, config=config)
    return Case(build, written, **more)


def _version_stops(build: Callable[[], Any], parameters: tuple[str, ...], version: str | None) -> Case:  # fmt: skip
    return _square(build, parameters, version, False, error=Ambiguous, part=parameters[0])


def _packed(layout: str, config: Mapping[str, object], **more: Any) -> Case:
    written = Written(grouped=layout == "grouped", structured=more.pop("structured", False), config=config)  # fmt: skip
    return Case(more.pop("build", QWEN), written, **more)


ORIENTATIONS = {
    "PEFT 0.18.1, shapes differ": _square(QWEN, BOTH, "0.18.1", True),
    "PEFT 0.21.2, shapes differ": _square(QWEN, BOTH, "0.21.2", False),
    "PEFT 0.18.1, square": _square(MINIMAX, GATE, "0.18.1", True),
    "PEFT 0.19.0, square": _square(OLMOE, GATE, "0.19.0", True),
    "PEFT 0.18.2.dev0, square": _square(OLMOE, GATE, "0.18.2.dev0@4fd3a1c", True),
    "PEFT 0.19.1, square": _square(OLMOE, GATE, "0.19.1", False),
    "PEFT 0.21.2, square": _square(MINIMAX, GATE, "0.21.2", False),
    "PEFT 0.19.1.dev0, square": _version_stops(MINIMAX, GATE, "0.19.1.dev0"),
    "no version, square": _version_stops(OLMOE, GATE, None),
    "no version, square, stated": _square(
        OLMOE, GATE, None, True, settings={"expert_orientation": "transposed"}
    ),
    "a sibling tells, against the version": _square(MINIMAX, BOTH, "0.21.2", True),
    "a sibling tells, without a version": _square(OLMOE, BOTH, None, False),
    "stated against a sibling": _square(
        OLMOE, BOTH, "0.21.2", False, settings={"expert_orientation": "transposed"},
        error=RequestError, part="down_proj",
    ),
    "gpt-oss, PEFT 0.18.1": _square(GPT_OSS, DOWN, "0.18.1", True),
    "gpt-oss, PEFT 0.19.0": _version_stops(GPT_OSS, DOWN, "0.19.0"),
    "gpt-oss, PEFT 0.21.2": _version_stops(GPT_OSS, DOWN, "0.21.2"),
    "gpt-oss, PEFT 0.19.0 on transformers 5, a sibling tells": _square(GPT_OSS, BOTH, "0.19.0", False),
    "gpt-oss, PEFT 0.20.0 on transformers 4, a sibling tells": _square(GPT_OSS, BOTH, "0.20.0", False),
    "gpt-oss, PEFT 0.20.0 on transformers 5, a sibling tells": _square(GPT_OSS, BOTH, "0.20.0", True),
    "gpt-oss, PEFT 0.21.2, stated": _square(
        GPT_OSS, DOWN, "0.21.2", True, settings={"expert_orientation": "transposed"}
    ),
    "openai_privacy_filter, PEFT 0.19.0": _square(PRIVACY, DOWN, "0.19.0", False),
    "openai_privacy_filter, PEFT 0.21.2": _square(PRIVACY, DOWN, "0.21.2", True),
    "Unsloth, square (out, in)": _square(
        MINIMAX, BOTH, "0.21.2", False, config=FIXED, error=Ambiguous, part="zoo 2026.9.6"
    ),
    "Unsloth, square (out, in), stated": _square(
        MINIMAX, BOTH, "0.21.2", False, config={**FIXED, **_marked("rank_major")},
        settings={"expert_orientation": "direct"},
    ),
    "granite of transformers 5, PEFT 0.19.0": Case(GRANITE, Written(
        parameters=GATE, module="block_sparse_moe.experts", transposed=True,
        config={"peft_version": "0.19.0"})),
    "granite of transformers 4, PEFT 0.18.1": Case(GRANITE, Written(
        parameters=GATE, names=("input_linear",), module="block_sparse_moe", transposed=True,
        config={"peft_version": "0.18.1"})),
    "granite of transformers 4, a sibling tells": Case(GRANITE, Written(
        parameters=BOTH, names=("input_linear", "output_linear"), module="block_sparse_moe",
        config={"peft_version": None})),
}  # fmt: skip

LAYOUTS = {
    "no trace": _packed("rank-major", {}),
    "no trace, structured": _packed("rank-major", {}, structured=True),
    "no trace, grouped": _packed("grouped", {}, structured=True, error=Ambiguous, part=_LAYOUT),
    "no trace, grouped, stated": _packed(
        "grouped", {}, structured=True, settings={"expert_layout": "grouped_by_expert"}
    ),
    "Unsloth, no marker, trained rank-major": _packed("rank-major", FIXED, structured=True),
    "Unsloth, no marker, trained grouped": _packed("grouped", FIXED, structured=True),
    "Unsloth's base, no marker, trained grouped": _packed(
        "grouped", {"base_model_name_or_path": "unsloth/Qwen3-30B-A3B"}, structured=True
    ),
    "Unsloth, no marker, no structure": _packed("rank-major", FIXED, error=Ambiguous, part=_LAYOUT),
    "Unsloth, no marker, no structure, stated": _packed(
        "grouped", FIXED, settings={"expert_layout": "grouped-by-expert"}
    ),
    "Unsloth's base, no structure": _packed(
        "rank-major", {"base_model_name_or_path": "unsloth/Qwen3-30B-A3B"}, error=Ambiguous,
        part="unsloth/Qwen3-30B-A3B",
    ),
    "marker rank_major": _packed("rank-major", _marked("rank_major")),
    "marker grouped": _packed("grouped", _marked("grouped_by_expert")),
    "marker grouped, structured": _packed("grouped", _marked("grouped_by_expert"), structured=True),
    "marker in auto_mapping": _packed("grouped", {"auto_mapping": _nested("grouped_by_expert")}),
    "marker by parameter": _packed("grouped", _nested("grouped_by_expert")),
    "marker by parameter beside a flat one": _packed(
        "grouped", {**_nested("grouped_by_expert"), **_marked("rank_major")}
    ),
    "marker mixed": _packed("grouped", _nested("mixed"), error=AdapterKind, part="several orders"),
    "marker unknown": _packed("grouped", _marked("diagonal"), error=Ambiguous, part="`diagonal`"),
    "marker of other experts": _packed(
        "grouped", _nested("grouped_by_expert", 8), error=Ambiguous, part="8 experts"
    ),
    "markers disagree": _packed(
        "grouped", {**_marked("rank_major"), "auto_mapping": _marked("grouped_by_expert")},
        error=Ambiguous, part="says two things",
    ),
    "marker contradicted": _packed(
        "rank-major", _marked("grouped_by_expert"), structured=True, error=Ambiguous, part="show `rank-major`"
    ),
    "marker unknown, stated": _packed(
        "grouped", _marked("diagonal"), settings={"expert_layout": "grouped-by-expert"}
    ),
    "gpt-oss, marker grouped": Case(GPT_OSS, Written(
        grouped=True, transposed=True, config=_marked("grouped_by_expert"))),
}  # fmt: skip


def test_the_reference_has_a_row_for_every_case() -> None:
    page = importlib.util.spec_from_file_location("expert_conventions", _PAGE)
    assert page is not None
    assert page.loader is not None
    rows = importlib.util.module_from_spec(page)
    sys.modules["expert_conventions"] = rows  # its dataclass looks itself up there
    page.loader.exec_module(rows)
    merged = {case for row in rows.CONVENTIONS for case in row.merged} - _TESTED_ELSEWHERE
    refused = {case for row in rows.CONVENTIONS for case in row.refused}
    cases = {**ORIENTATIONS, **LAYOUTS}
    assert merged == {name for name, case in cases.items() if case.error is None}
    assert refused == {name for name, case in cases.items() if case.error} | FORMATS.keys()


@pytest.mark.parametrize("case", [*ORIENTATIONS.values(), *LAYOUTS.values()],
                         ids=[*ORIENTATIONS, *LAYOUTS])  # fmt: skip
def test_the_experts_are_those_of_base_and_adapter(case: Case, tmp_path: Path) -> None:
    model = case.build()
    base, adapter = save_base(model, tmp_path / "base"), tmp_path / "adapter"
    expected = write_fused(model, adapter, case.written)
    report = ours(base, {adapter: 1.0}, tmp_path / "out", **case.settings)
    if case.error is not None:
        assert report.error is not None
        assert report.error.type == case.error.__name__, report.error
        assert case.part in f"{report.error.message} {report.error.hint}"
        assert not (tmp_path / "out").exists()
        return
    assert report.error is None, report.error
    found = dict(own_class(tmp_path / "out").state_dict())
    assert largest_error(found, expected, case.written.parameters) < 1e-6
    before = dict(model.state_dict())
    assert largest_error(before, expected, case.written.parameters) > 1e-3
    assert finding(report, "T005").outcome is Outcome.PASS
    assert finding(report, "T015").outcome is Outcome.PASS


@dataclass(frozen=True)
class Format:
    """Factors in a format that is not PEFT's for fused experts, and how they are refused."""

    build: Callable[[], Any]
    factors: Tensors
    config: Mapping[str, object]
    error: type[AdapterMergeError]
    part: str


_MODULE = "model.layers.1.mlp.experts"


def _pair(path: str, a: tuple[int, ...], b: tuple[int, ...]) -> Tensors:
    draw = torch.Generator().manual_seed(len(path))
    return {
        f"{PREFIX}{path}.lora_A.weight": torch.randn(a, generator=draw),
        f"{PREFIX}{path}.lora_B.weight": torch.randn(b, generator=draw),
    }


def _by_number(rank: int, gate: tuple[int, int], down: tuple[int, int]) -> Tensors:
    """One pair for each expert and projection; the sides are (outputs, inputs)."""
    sides = {"gate_proj": gate, "up_proj": gate, "down_proj": down}
    found: Tensors = {}
    for expert in range(12):
        for name, (outputs, inputs) in sides.items():
            found |= _pair(f"{_MODULE}.{expert}.{name}", (rank, inputs), (outputs, rank))
    return found


_LINEAR = {"target_modules": ["gate_proj", "up_proj", "down_proj"]}
_NESTED = {"target_parameters": ["experts.gate_up_proj", "experts.down_proj"]}
FORMATS = {
    "by number, gpt-oss": Format(
        GPT_OSS, _by_number(3, (32, 32), (32, 32)), _LINEAR, MissingTarget, "experts.0.down_proj"
    ),
    "by number, experts of another rank": Format(
        QWEN, _by_number(1, (24, 32), (32, 24)), _LINEAR, ShapeMismatch, "moe_rank_scaling"
    ),
    "three dimensions by projection": Format(
        QWEN,
        _pair(f"{_MODULE}.w1", (12, 3, 32), (12, 24, 3)) | _pair(f"{_MODULE}.w2", (12, 3, 24), (12, 32, 3)),
        {"target_modules": ["w1", "w2"]}, AdapterKind, "tinker",
    ),
    "three dimensions, one side shared": Format(
        QWEN, _pair(f"{_MODULE}.w1", (1, 3, 32), (12, 24, 3)), {"target_modules": ["w1"]}, AdapterKind, "tinker"
    ),
    "three dimensions by parameter": Format(
        QWEN,
        _pair(f"{_MODULE}.gate_up_proj", (12, 3, 32), (12, 48, 3)) | _pair(f"{_MODULE}.down_proj", (12, 3, 24), (12, 32, 3)),
        {"target_modules": ["gate_up_proj", "down_proj"]}, AdapterKind, "Megatron-Bridge",
    ),
    "three dimensions, rank 1": Format(
        QWEN, _pair(f"{_MODULE}.down_proj", (12, 1, 24), (12, 32, 1)),
        {"target_modules": ["down_proj"], "r": 1}, AdapterKind, "Megatron-Bridge",
    ),
    "three dimensions, nested": Format(
        QWEN, _pair(f"{_MODULE}.base_layer", (12, 3, 32), (48, 3, 12)) | _pair(_MODULE, (12, 3, 24), (32, 3, 12)),
        _NESTED, AdapterKind, "Megatron-Bridge",
    ),
    "nested, without target_parameters": Format(
        QWEN, _pair(f"{_MODULE}.base_layer", (36, 32), (48, 36)) | _pair(_MODULE, (36, 24), (32, 36)),
        {"target_modules": ["experts"]}, Unclaimed, "`target_parameters`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FORMATS.values(), ids=FORMATS)
def test_other_formats_are_refused_with_their_reason(case: Format, tmp_path: Path) -> None:
    base, adapter = save_base(case.build(), tmp_path / "base"), tmp_path / "adapter"
    write_adapter(adapter, case.factors, case.config)
    with pytest.raises(case.error) as caught:
        planned(base, adapter)
    assert case.part in f"{caught.value.message} {caught.value.hint}"


@dataclass(frozen=True)
class Foreign:
    """An adapter that the installed PEFT reads in another way than it was trained, and the reading that PEFT uses."""

    written: Written
    reading: str
    build: Callable[[], Any] = QWEN


FOREIGN = {
    "grouped": Foreign(
        Written(grouped=True, config={"auto_mapping": _marked("grouped_by_expert")}),
        "rank-major, direct",
    ),
    "transposed": Foreign(
        Written(parameters=GATE, transposed=True, config={"peft_version": "0.18.1"}),
        "rank-major, direct",
        OLMOE,
    ),
    "gpt-oss, direct": Foreign(
        Written(parameters=BOTH, config={"peft_version": "0.20.0"}), "rank-major, transposed", GPT_OSS
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ["grouped", "transposed"])
def test_another_program_s_reading_is_a_finding_of_its_own(name: str, tmp_path: Path) -> None:
    case, other = FOREIGN[name], tmp_path / "other"
    model = case.build()
    base, adapter = save_base(model, tmp_path / "base"), tmp_path / "adapter"
    write_fused(model, adapter, case.written)
    peft = loaded(base, "AutoModelForCausalLM", dtype=torch.float32)
    merged_by_peft(with_adapters(peft, {adapter: 1.0}), 1, other)
    report = checked(other, base, adapter)
    found = finding(report, "T015")
    assert found.outcome is Outcome.FAIL
    assert case.reading in found.message
    assert finding(report, "T005").outcome is Outcome.FAIL
    ours(base, {adapter: 1.0}, tmp_path / "out")
    assert finding(checked(tmp_path / "out", base, adapter), "T015").outcome is Outcome.PASS


@pytest.mark.parametrize("name", FOREIGN)
def test_the_reference_of_the_proof_is_built_under_the_reading(name: str, tmp_path: Path) -> None:
    case = FOREIGN[name]
    model = case.build()
    base, adapter = save_base(model, tmp_path / "base"), tmp_path / "adapter"
    tokenizer().save_pretrained(base)
    write_fused(model, adapter, case.written)
    report = ours(base, {adapter: 1.0}, tmp_path / "out", probe="require")
    assert report.error is None, report.error
    assert finding(report, "E001").outcome is Outcome.PASS


def test_the_proof_finds_experts_that_were_merged_in_another_reading(tmp_path: Path) -> None:
    model, other = QWEN(), tmp_path / "other"
    base, adapter = save_base(model, tmp_path / "base"), tmp_path / "adapter"
    tokenizer().save_pretrained(base)
    write_fused(model, adapter, FOREIGN["grouped"].written)
    peft = loaded(base, "AutoModelForCausalLM", dtype=torch.float32)
    merged_by_peft(with_adapters(peft, {adapter: 1.0}), 1, other)
    tokenizer().save_pretrained(other)
    report = checked(other, base, adapter)
    assert finding(report, "E001").outcome is Outcome.FAIL


def test_plan_receipt_and_card_name_the_reading(tmp_path: Path) -> None:
    model = QWEN()
    base, adapter = save_base(model, tmp_path / "base"), tmp_path / "adapter"
    write_fused(model, adapter, FOREIGN["grouped"].written)
    gate, down = planned(base, adapter).experts
    assert gate.parameter == "model.layers.*.mlp.experts.gate_up_proj"
    assert (gate.layout, gate.layout_source) == ("grouped-by-expert", "`lora_B_layout`")
    assert (down.orientation, down.orientation_source) == ("direct", "the shapes")
    ours(base, {adapter: 1.0}, tmp_path / "out")
    receipt = read_receipt(tmp_path / "out")
    assert receipt is not None
    assert {(e.layout, e.orientation) for e in receipt.experts} == {("grouped-by-expert", "direct")}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "Fused experts: " in card
    assert "grouped-by-expert" in card


def test_a_setting_against_the_evidence_warns(tmp_path: Path) -> None:
    model = QWEN()
    base, adapter = save_base(model, tmp_path / "base"), tmp_path / "adapter"
    write_fused(model, adapter, Written(structured=True, config=_marked("rank_major")))
    settings = {"expert_layout": "grouped-by-expert"}
    report = ours(base, {adapter: 1.0}, tmp_path / "out", **settings)
    found = finding(report, "T015")
    assert found.outcome is Outcome.WARN
    assert "its weights show `rank-major`" in found.message
    command = (tmp_path / "out" / "README.md").read_text()
    assert "--expert-layout grouped-by-expert" in command
    # The receipt's settings count for who checks the folder.
    assert finding(checked(tmp_path / "out", base, adapter), "T005").outcome is Outcome.PASS


@pytest.mark.parametrize("name", FOREIGN)
def test_a_bundle_needs_an_adapter_that_peft_reads_as_it_was_trained(name: str, tmp_path: Path) -> None:  # fmt: skip
    case = FOREIGN[name]
    model = case.build()
    base, adapter = save_base(model, tmp_path / "base"), tmp_path / "adapter"
    write_fused(model, adapter, case.written)
    report = ours(base, {adapter: 1.0}, tmp_path / "out", layout="bundled")
    assert report.error is not None
    assert report.error.type == "AdapterKind"
    assert "`--layout merged`" in report.error.hint


@pytest.mark.parametrize(
    ("card", "part"),
    [
        ("tags:\n- unsloth\n", "the tag `unsloth`"),
        ("base_model: unsloth/gpt-oss-20b\n", "unsloth/gpt-oss-20b"),
    ],
)
def test_the_adapter_s_card_is_a_trace_too(card: str, part: str, tmp_path: Path) -> None:
    model = QWEN()
    base, adapter = save_base(model, tmp_path / "base"), tmp_path / "adapter"
    write_fused(model, adapter, Written())
    assert planned(base, adapter).experts[0].layout == "rank-major"
    (adapter / "README.md").write_text(f"---\n{card}---\n")
    with pytest.raises(Ambiguous) as caught:
        planned(base, adapter)
    assert part in caught.value.message


def _seeing() -> Any:
    """Square `gate_up_proj` in a class whose dimensions have another order in transformers 4."""
    import transformers

    text = {"vocab_size": 256, "hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 1,
            "moe_intermediate_size": 16, "num_experts": 12, "num_attention_heads": 4, "head_dim": 8,
            "num_key_value_heads": 2, "decoder_sparse_step": 1}  # fmt: skip
    eyes = {"hidden_size": 24, "intermediate_size": 40, "depth": 1, "num_heads": 2, "patch_size": 14,
            "out_hidden_size": 32, "deepstack_visual_indexes": [0]}  # fmt: skip
    config = transformers.Qwen3VLMoeConfig(text_config=text, vision_config=eyes)
    return transformers.Qwen3VLMoeForConditionalGeneration(config)


@pytest.mark.parametrize("version", ["0.18.1", "0.21.2"])
def test_no_version_decides_where_transformers_reordered_the_dimensions(
    version: str, tmp_path: Path
) -> None:
    model = _seeing()
    base, adapter = save_base(model, tmp_path / "base"), tmp_path / "adapter"
    write_fused(model, adapter, Written(parameters=GATE, config={"peft_version": version}))
    with pytest.raises(Ambiguous) as caught:
        planned(base, adapter)
    assert "transformers 4 and 5" in caught.value.message
    write_fused(model, tmp_path / "both", Written(config={"peft_version": version}))
    assert {e.orientation for e in planned(base, tmp_path / "both").experts} == {"direct"}


def test_an_option_that_peft_s_layers_merge_is_refused_beside_fused_experts(tmp_path: Path) -> None:
    model = GPT_OSS()
    base, adapter = save_base(model, tmp_path / "base"), tmp_path / "adapter"
    write_fused(model, adapter, Written(config={"monteclora_config": {"num_samples": 2}}))
    with pytest.raises(AdapterKind) as caught:
        planned(base, adapter)
    assert "fused experts" in caught.value.message
