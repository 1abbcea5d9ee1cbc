"""Methods that PEFT's layers merge, on adapters with names of another release or another class.

PEFT itself merges the same adapter under today's names: the bytes must be the same.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_merge.report import Report
from tests.contract.eras import ERAS, MODELS, PARTS, Renames, renamed
from tests.contract.makers import Tensors, change_config, change_tensors, save_base, tensors_of
from tests.contract.methods import save_method
from tests.contract.oracle import differing, ours
from tests.contract.test_methods import merged_by_peft, own_class

_PREFIX = "base_model.model."
_OUTPUTS = 5e-5  # of the outputs' root mean square
_CLASSES = (
    "Qwen2VLForConditionalGeneration",
    "PaliGemmaForConditionalGeneration",
    "Gemma3ForConditionalGeneration",
    "LlavaForConditionalGeneration",
    "MllamaForConditionalGeneration",
)
_QWEN, _PALI, _GEMMA, _LLAVA, _MLLAMA = _CLASSES


@dataclass(frozen=True, kw_only=True)
class Row:
    """A config of PEFT, and what it says under the older names where that is another thing."""

    config: str
    options: Mapping[str, Any]
    old: Mapping[str, Any] = field(default_factory=dict)


def row(config: str, *targets: str, old: Mapping[str, Any] | None = None, **options: Any) -> Row:
    given = {"target_modules": list(targets), **options}
    return Row(config=config, options=given, old=old or {})


ROWS: Mapping[str, Row] = {
    "DoRA": row("LoraConfig", "q_proj", "down_proj", r=4, use_dora=True),
    "IA3": row(
        "IA3Config", "k_proj", "v_proj", "down_proj", feedforward_modules=["down_proj"]
    ),
    "LoHa": row("LoHaConfig", "q_proj", "up_proj", r=2),
    "OFT": row("OFTConfig", "v_proj", "up_proj", r=0, oft_block_size=8),
    "VeRA": row("VeraConfig", "q_proj", "up_proj", r=4),
    "RandLoRA": row("RandLoraConfig", "q_proj", "up_proj", r=4),
    "VB-LoRA": row("VBLoRAConfig", "up_proj", "gate_proj", r=2, num_vectors=8, vector_length=8),
    "LN-tuning": row("LNTuningConfig", "input_layernorm"),
}  # fmt: skip

# What the options say of modules is said of the names that the adapter has.
OPTIONS: Mapping[str, Row] = {
    "ranks by name": row(
        "LoraConfig", "q_proj", "v_proj", r=4, lora_alpha=6, use_dora=True,
        rank_pattern={r"language_model.layers.0.self_attn.q_proj": 2, "v_proj": 3},
        alpha_pattern={r"language_model.layers.1.self_attn.q_proj": 9},
        old={"rank_pattern": {r"language_model.model.layers.0.self_attn.q_proj": 2, "v_proj": 3},
             "alpha_pattern": {r"language_model.model.layers.1.self_attn.q_proj": 9}},
    ),
    "feedforward by pattern": Row(
        config="IA3Config",
        options={"target_modules": r"model\.language_model\..*\.(k_proj|up_proj|down_proj)",
                 "feedforward_modules": r"model\.language_model\.layers\.1\..*down_proj"},
        old={"target_modules": r"language_model\.model\..*\.(k_proj|up_proj|down_proj)",
             "feedforward_modules": r"language_model\.model\.layers\.1\..*down_proj"},
    ),
    "some left out": row("LoHaConfig", "q_proj", r=2, exclude_modules=r".*vision_tower.*"),
    "one layer": row("LoHaConfig", "q_proj", r=2, layers_to_transform=[1], layers_pattern="layers"),
    "beside a saved norm": row(
        "LoraConfig", "q_proj", r=4, use_dora=True, modules_to_save=["input_layernorm"]
    ),
    "with an embedding": row("LoraConfig", "q_proj", "embed_tokens", r=4, use_dora=True),
    "with a head": row("LoraConfig", "q_proj", "lm_head", r=4, use_dora=True),
}  # fmt: skip


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def base_of(name: str) -> Path:
        if name not in made:
            made[name] = save_base(MODELS[name](), tmp_path_factory.mktemp(name))
        return made[name]

    return base_of


def config_of(made: Row) -> Any:
    import peft

    return getattr(peft, made.config)(**made.options)


def under(folder: Path, renames: Renames, **config: Any) -> Path:
    """The adapter under other names."""

    def change(tensors: Tensors) -> Tensors:
        inside = {n.removeprefix(_PREFIX): t for n, t in tensors.items() if n.startswith(_PREFIX)}
        shared = {n: t for n, t in tensors.items() if not n.startswith(_PREFIX)}
        return shared | {_PREFIX + n: t for n, t in renamed(inside, renames).items()}

    change_tensors(folder, change)
    change_config(folder, **config)
    return folder


def asked(model: Any) -> torch.Tensor:
    tokens = torch.randint(3, 60, (2, 12), generator=torch.Generator().manual_seed(3))
    kinds = {"token_type_ids": torch.zeros_like(tokens)}
    needs = model.config.model_type in {"gemma3", "paligemma"}
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=tokens, **(kinds if needs else {}))[0]
    return found


def merge_of_era(
    made: Row, name: str, base: Path, folder: Path, era: str = "old"
) -> tuple[Report, Tensors, torch.Tensor]:
    """Our merge of an adapter of that era, PEFT's of the same under today's names, and what that gave unmerged."""
    live = folder / "live"
    wanted = asked(save_method(own_class(base), live, config_of(made)))
    expected = merged_by_peft(base, live, folder / "peft", torch.float32)
    old = under(live, ERAS[name][era], **made.old)
    return ours(base, {old: 1.0}, folder / "out"), expected, wanted


def check(
    report: Report, folder: Path, base: Path, expected: Tensors, wanted: torch.Tensor
) -> None:
    assert report.error is None, report.error
    assert report.counts["adapter_tensors_used"] == report.counts["adapter_tensors_total"]
    found, before = tensors_of(folder / "out"), tensors_of(base)
    assert differing(found, expected) == []
    assert len(differing(found, before)) == report.counts["tensors_edited"] > 0
    merged = asked(own_class(folder / "out"))
    off = float((merged - wanted).abs().max() / wanted.square().mean().sqrt())
    assert off < _OUTPUTS
    assert not torch.equal(wanted, asked(own_class(base)))


@pytest.mark.parametrize("name", [_QWEN, _PALI, _MLLAMA])
@pytest.mark.parametrize("method", ROWS)
def test_older_names(method: str, name: str, bases: Callable[[str], Path], tmp_path: Path) -> None:
    report, expected, wanted = merge_of_era(ROWS[method], name, bases(name), tmp_path)
    check(report, tmp_path, bases(name), expected, wanted)


@pytest.mark.parametrize("name", [_GEMMA, _LLAVA])
@pytest.mark.parametrize("era", ["old", "hub"])
def test_older_names_of_both_towers(
    era: str, name: str, bases: Callable[[str], Path], tmp_path: Path
) -> None:
    report, expected, wanted = merge_of_era(ROWS["DoRA"], name, bases(name), tmp_path, era)
    check(report, tmp_path, bases(name), expected, wanted)


def test_tied_halves_that_peft_keeps_one(bases: Callable[[str], Path], tmp_path: Path) -> None:
    made = row(
        "LoraConfig", "embed_tokens", "lm_head", r=4, use_dora=True, ensure_weight_tying=True
    )
    report, _, wanted = merge_of_era(made, _PALI, bases(_PALI), tmp_path)
    assert report.error is None, report.error
    merged = asked(own_class(tmp_path / "out"))
    assert float((merged - wanted).abs().max() / wanted.square().mean().sqrt()) < _OUTPUTS
    assert not torch.equal(wanted, asked(own_class(bases(_PALI))))


@pytest.mark.parametrize("method", ["DoRA", "IA3"])
def test_an_encoder_inside_a_chain_of_modules(
    method: str, bases: Callable[[str], Path], tmp_path: Path
) -> None:
    name = "BertForSequenceClassification"
    targets = {"target_modules": ["query", "output.dense"]}
    options = {**targets, "r": 4, "use_dora": True} if method == "DoRA" else targets
    feedforward = {} if method == "DoRA" else {"feedforward_modules": ["output.dense"]}
    made = Row(config=ROWS[method].config, options={**options, **feedforward})
    live = tmp_path / "live"
    wanted = asked(save_method(own_class(bases(name)), live, config_of(made)))
    expected = merged_by_peft(bases(name), live, tmp_path / "peft", torch.float32)
    under(live, ((r"^bert\.", "0.auto_model."),))
    report = ours(bases(name), {live: 1.0}, tmp_path / "out")
    check(report, tmp_path, bases(name), expected, wanted)


@pytest.mark.parametrize("options", OPTIONS)
def test_options_that_name_modules_keep_their_meaning(
    options: str, bases: Callable[[str], Path], tmp_path: Path
) -> None:
    report, expected, wanted = merge_of_era(OPTIONS[options], _LLAVA, bases(_LLAVA), tmp_path)
    check(report, tmp_path, bases(_LLAVA), expected, wanted)


@pytest.mark.parametrize("method", ["DoRA", "IA3", "LN-tuning", "VeRA"])
@pytest.mark.parametrize("name", [_GEMMA, _LLAVA, "Idefics3ForConditionalGeneration"])
def test_a_text_model_s_adapter_on_the_model_around_it(
    name: str, method: str, bases: Callable[[str], Path], tmp_path: Path
) -> None:
    base = bases(name)
    text = PARTS["text"](own_class(base))
    wrapped = save_method(text, tmp_path / "text", config_of(ROWS[method]))
    wanted = asked(wrapped.base_model.model.model)
    report = ours(base, {tmp_path / "text": 1.0}, tmp_path / "out")
    assert report.error is None, report.error
    assert report.counts["adapter_tensors_used"] == report.counts["adapter_tensors_total"]
    merged = asked(PARTS["text"](own_class(tmp_path / "out")).model)
    off = float((merged - wanted).abs().max() / wanted.square().mean().sqrt())
    assert off < _OUTPUTS
    assert not torch.equal(wanted, asked(PARTS["text"](own_class(base)).model))


def _wrong(tensors: Tensors) -> Tensors:
    return renamed(tensors, ((r"language_model\.model\.layers", "language_model.decoder.blocks"),))


def _less(tensors: Tensors) -> Tensors:
    return {n: t for n, t in tensors.items() if "language_model.model.layers.1." not in n}


def _partly(tensors: Tensors) -> Tensors:
    return {n: t for n, t in tensors.items() if "layers.1" not in n or "magnitude" not in n}


_OF_TEXT = Row(
    config="LoraConfig",
    options={"target_modules": r".*language_model.*(q_proj|down_proj)", "r": 4, "use_dora": True},
)
FAULTS: Mapping[str, tuple[Callable[[Tensors], Tensors], Mapping[str, Any], str]] = {
    "names of no era": (_wrong, {}, "has no tensor for"),
    "a layer isn't there": (_less, {}, r"its file lacks `language_model\.model\.layers\.1\."),
    "a part of a layer isn't there": (_partly, {}, "lacks"),
    "chosen by today's names": (
        copy.copy, {"target_modules": r"model\.language_model\..*\.(q_proj|down_proj)"},
        r"its config doesn't choose `language_model\.model\.",
    ),
    "an option by name": (
        copy.copy, {"use_bdlora": {"nblocks": 2, "target_modules_bd_a": ["q_proj"]}}, "use_bdlora",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_under_todays_names_either_is_refused(
    fault: str, bases: Callable[[str], Path], tmp_path: Path
) -> None:
    change, config, message = FAULTS[fault]
    adapter = tmp_path / "adapter"
    save_method(own_class(bases(_LLAVA)), adapter, config_of(_OF_TEXT))
    under(adapter, ERAS[_LLAVA]["old"])
    change_tensors(adapter, change)
    change_config(adapter, **config)
    report = ours(bases(_LLAVA), {adapter: 1.0}, tmp_path / "out")
    assert report.error is not None
    assert re.search(message, report.error.message), report.error.message
    assert not (tmp_path / "out").exists()


def test_a_method_that_counts_modules_in_their_order_is_refused(
    bases: Callable[[str], Path], tmp_path: Path
) -> None:
    import peft

    made = row("TinyLoraConfig", "up_proj", r=2)
    if not hasattr(peft, made.config):
        pytest.skip("this PEFT has no TinyLoRA")
    adapter = tmp_path / "adapter"
    save_method(own_class(bases(_LLAVA)), adapter, config_of(made))
    under(adapter, ERAS[_LLAVA]["old"])
    report = ours(bases(_LLAVA), {adapter: 1.0}, tmp_path / "out")
    assert report.error is not None
    assert "TINYLORA depends on the order of modules" in report.error.message
