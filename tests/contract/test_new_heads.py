"""A head that an adapter adds to a base of sentence-transformers decides what the merged model is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch

from adapter_merge.finding import Outcome
from adapter_merge.readme import Readme
from adapter_merge.report import Report
from tests.contract import makers
from tests.contract.oracle import ours
from tests.encoders import models

pytest.importorskip("sentence_transformers")

TASKS = {
    "SEQ_CLS": ("SequenceClassification", "text-classification"),
    "TOKEN_CLS": ("TokenClassification", "token-classification"),
    "QUESTION_ANS": ("QuestionAnswering", "question-answering"),
}
CARD = """---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- sentence-similarity
- harbors
license: apache-2.0
---
# A base
"""
IGNORED = ("F005", "F006", "T014")
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def _late(folder: Path) -> None:
    models.chain(folder, many=True)


def _adapter(base: Path, task: str, folder: Path) -> Path:
    labels = {} if task == "QUESTION_ANS" else {"num_labels": 3}
    model = makers.loaded(base, f"AutoModelFor{TASKS[task][0]}", **labels)
    lora = {"task_type": task, "target_modules": ["query", "value"]}
    return makers.save_adapter(model, folder, lora)


def _merged(base: Path, adapter: Path, to: Path, **settings: Any) -> Report:
    return ours(base, {adapter: 1.0}, to, ignore=IGNORED, **settings)


@pytest.mark.parametrize(
    ("make", "task", "layout"),
    [
        (models.chain, "SEQ_CLS", "merged"),
        (models.chain, "SEQ_CLS", "bundled"),
        (models.chain, "TOKEN_CLS", "merged"),
        (_late, "QUESTION_ANS", "merged"),
    ],
)
def test_the_head_decides(
    make: Callable[[Path], None], task: str, layout: str, tmp_path: Path
) -> None:
    base, out = tmp_path / "base", tmp_path / "out"
    make(base)
    (base / "README.md").write_text(CARD)
    adapter = _adapter(base, task, tmp_path / "adapter")
    report = _merged(base, adapter, out, layout=layout, probe="require")
    assert report.error is None, report.error
    name, tag = TASKS[task]
    assert json.loads((out / "config.json").read_text())["architectures"] == [f"BertFor{name}"]
    assert not [p for p in out.rglob("*") if "sentence" in p.name or p.name == "modules.json"]
    assert not [p for p in out.iterdir() if p.is_dir()]
    outcomes = {f.code: f.outcome for f in report.findings}
    assert {c: outcomes[c] for c in ("E001", "E002")} == dict.fromkeys(
        ("E001", "E002"), Outcome.PASS
    )
    card = Readme.parse((out / "README.md").read_text())
    assert card.text("pipeline_tag") == tag
    assert card.text("library_name") == ("peft" if layout == "bundled" else "transformers")
    assert "harbors" in card.texts("tags")
    assert not {"sentence-transformers", "sentence-similarity"} & {*card.texts("tags")}
    receipt = json.loads((out / "merge_receipt.json").read_text())
    assert "the adapter adds a head" in receipt["left_behind"]["base: modules.json"]


@pytest.mark.parametrize("task", TASKS)
def test_it_computes_what_base_and_adapter_do(task: str, tmp_path: Path) -> None:
    base, out, auto = tmp_path / "base", tmp_path / "out", f"AutoModelFor{TASKS[task][0]}"
    models.chain(base)
    adapter = _adapter(base, task, tmp_path / "adapter")
    assert _merged(base, adapter, out).error is None
    labels = {} if task == "QUESTION_ANS" else {"num_labels": 3}
    unmerged = peft.PeftModel.from_pretrained(makers.loaded(base, auto, **labels), adapter)
    merged, found = makers.loaded(out, auto, output_loading_info=True)
    assert not found["missing_keys"]
    tokens = torch.arange(20, 60)[None]
    with torch.no_grad():
        one, other = (m.eval()(input_ids=tokens).to_tuple()[0] for m in (unmerged, merged))
    assert torch.allclose(one, other, atol=1e-5)
    names: dict[str, Any] = {}
    (code,) = CODE.findall((out / "README.md").read_text())[:1]
    exec(code.replace("'./out'", repr(str(out))).replace('"./out"', repr(str(out))), names)  # noqa: S102


def test_a_plain_adapter_keeps_the_chain(tmp_path: Path) -> None:
    base, out = tmp_path / "base", tmp_path / "out"
    models.chain(base)
    (base / "README.md").write_text(CARD)
    model = makers.loaded(base, "AutoModel")
    lora = {"task_type": "FEATURE_EXTRACTION", "target_modules": ["query", "value"]}
    adapter = makers.save_adapter(model, tmp_path / "adapter", lora)
    assert _merged(base, adapter, out).error is None
    card = Readme.parse((out / "README.md").read_text())
    assert (out / "1_Pooling/config.json").exists()
    assert (card.text("library_name"), card.text("pipeline_tag")) == (
        "sentence-transformers",
        "sentence-similarity",
    )
    assert "sentence-similarity" in card.texts("tags")


def test_labels_on_a_cross_encoder_stay_with_its_library(tmp_path: Path) -> None:
    import sentence_transformers

    base, out = tmp_path / "base", tmp_path / "out"
    models.KINDS["bare"].save(tmp_path / "inner")
    torch.manual_seed(3)
    sentence_transformers.CrossEncoder(str(tmp_path / "inner"), num_labels=1, device="cpu").save(
        str(base)
    )
    lora = {"task_type": "SEQ_CLS", "target_modules": ["query", "value"]}
    model = makers.loaded(
        base, "AutoModelForSequenceClassification", num_labels=3, ignore_mismatched_sizes=True
    )
    adapter = makers.save_adapter(model, tmp_path / "adapter", lora)
    report = _merged(base, adapter, out, probe="require")
    assert report.error is None, report.error
    assert (out / "modules.json").read_bytes() == (base / "modules.json").read_bytes()
    card = Readme.parse((out / "README.md").read_text())
    assert card.text("library_name") == "sentence-transformers"
    assert card.text("pipeline_tag") == "text-classification"
    outcomes = {f.code: f.outcome for f in report.findings}
    assert outcomes["E001"] == outcomes["E002"] == Outcome.PASS
    scores = sentence_transformers.CrossEncoder(str(out), device="cpu").predict([("a", "b")])
    assert scores.shape == (1, 3)


def _qwen3_5() -> Any:
    from transformers import Qwen3_5ForCausalLM, Qwen3_5TextConfig

    sizes = {"vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
    linear = {"linear_num_key_heads": 2, "linear_num_value_heads": 2}
    return Qwen3_5ForCausalLM(
        Qwen3_5TextConfig(**sizes, **heads, **linear, layer_types=["full_attention"] * 2)
    )


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (makers.gemma, "Gemma3TextForSequenceClassification"),
        (_qwen3_5, "Qwen3_5TextForSequenceClassification"),
    ],
)
def test_a_text_model_gets_the_class_of_its_type(
    make: Callable[[], Any], name: str, tmp_path: Path
) -> None:
    auto, out = "AutoModelForSequenceClassification", tmp_path / "out"
    base = makers.save_base(make(), tmp_path / "base")
    model = makers.loaded(base, auto, num_labels=3)
    assert type(model).__name__ == name
    lora = {"task_type": "SEQ_CLS", "target_modules": ["q_proj", "v_proj"]}
    adapter = makers.save_adapter(model, tmp_path / "adapter", lora)
    report = _merged(base, adapter, out)
    assert report.error is None, report.error
    assert json.loads((out / "config.json").read_text())["architectures"] == [name]
    unmerged = peft.PeftModel.from_pretrained(makers.loaded(base, auto, num_labels=3), adapter)
    merged, found = makers.loaded(out, auto, output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["mismatched_keys"]
    tokens = torch.arange(20, 60)[None]
    with torch.no_grad():
        one, other = (m.eval()(input_ids=tokens).logits for m in (unmerged, merged))
    assert torch.allclose(one, other, atol=1e-5)
