"""Class and labels of a model that gets a head from its adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapter_merge import assemble
from adapter_merge.adapters.saved_modules import has_row_per_label
from adapter_merge.errors import AdapterKind
from tests.build import (
    PREFIX,
    Case,
    adapter_tensors,
    base_tensors,
    make_case,
    write_adapter,
    write_base,
)


def config_changes(
    root: Path, base: dict[str, Any], adapter: dict[str, Any], rows: int = 3, *, code: str = ""
) -> dict[str, object]:
    """What the plan declares in `config.json`, for an adapter with a head of so many rows."""
    case = make_case(root)
    head = {f"{PREFIX}score.weight": np.ones((rows, 8), np.float32)}
    case = Case(
        base=write_base(root / "b", base_tensors(), **base),
        adapter=write_adapter(root / "a", adapter_tensors() | head, **{"task_type": "SEQ_CLS", **adapter}),
        to=case.to,
    )  # fmt: skip
    if code:
        (case.base / code).touch()
    changes = assemble.plan(case.request(allow_remote_code=bool(code))).changes
    return {c.subject.removeprefix("config.json: "): c.after for c in changes}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("LlamaForCausalLM", "LlamaForSequenceClassification"),
        ("GPT2LMHeadModel", "GPT2ForSequenceClassification"),
        ("GPT2DoubleHeadsModel", "GPT2ForSequenceClassification"),
        ("BertModel", "BertForSequenceClassification"),
        ("DistilBertForMaskedLM", "DistilBertForSequenceClassification"),
        ("XLMRobertaModel", "XLMRobertaForSequenceClassification"),
    ],
)
def test_the_sibling_with_a_head_in_code_of_its_own(
    tmp_path: Path, before: str, after: str
) -> None:
    base = {"architectures": [before], "model_type": "its-own", "tie_word_embeddings": False}
    assert config_changes(tmp_path, base, {})["architectures"] == [after]


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("llama", "Mystery", "LlamaForSequenceClassification"),
        ("gemma3", "Gemma3ForConditionalGeneration", "Gemma3ForSequenceClassification"),
        ("gemma3_text", "Gemma3ForCausalLM", "Gemma3TextForSequenceClassification"),
        ("qwen3_5_text", "Qwen3_5ForCausalLM", "Qwen3_5TextForSequenceClassification"),
        ("xlm", "XLMWithLMHeadModel", "XLMForSequenceClassification"),
    ],
)
def test_the_class_of_the_model_type(tmp_path: Path, kind: str, before: str, after: str) -> None:
    base = {"architectures": [before], "model_type": kind, "tie_word_embeddings": False}
    assert config_changes(tmp_path, base, {})["architectures"] == [after]


def test_the_class_that_the_base_s_own_code_has(tmp_path: Path) -> None:
    code = {"AutoModelForSequenceClassification": "modeling_new.NewForLabels"}
    base = {"model_type": "llama", "auto_map": code, "tie_word_embeddings": False}
    found = config_changes(tmp_path, base, {}, code="modeling_new.py")
    assert found["architectures"] == ["NewForLabels"]


def test_a_type_without_such_a_class_is_refused(tmp_path: Path) -> None:
    base = {"architectures": ["OlmoeForCausalLM"], "model_type": "olmoe"}
    with pytest.raises(AdapterKind, match="has no class for `olmoe`"):
        config_changes(tmp_path, {**base, "tie_word_embeddings": False}, {})


def test_a_head_that_the_base_has_is_no_new_class(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    head = np.ones((3, 8), np.float32)
    case = Case(
        base=write_base(tmp_path / "b", base_tensors() | {"score.weight": head}),
        adapter=write_adapter(
            tmp_path / "a",
            adapter_tensors() | {f"{PREFIX}score.weight": head * 2},
            task_type="SEQ_CLS",
        ),
        to=case.to,
    )
    subjects = {c.subject for c in assemble.plan(case.request()).changes}
    assert "config.json: id2label" in subjects
    assert "config.json: architectures" not in subjects


def test_a_head_of_another_task_is_a_new_class(tmp_path: Path) -> None:
    """`classifier` is what both are called."""
    case = make_case(tmp_path)
    head, name = np.ones((2, 8), np.float32), "classifier.weight"
    case = Case(
        base=write_base(
            tmp_path / "b",
            base_tensors() | {name: head},
            architectures=["BertForSequenceClassification"],
            model_type="bert",
        ),
        adapter=write_adapter(
            tmp_path / "a",
            adapter_tensors() | {f"{PREFIX}{name}": head * 2},
            task_type="TOKEN_CLS",
        ),
        to=case.to,
    )
    changes = {c.subject: c.after for c in assemble.plan(case.request()).changes}
    assert changes["config.json: architectures"] == ["BertForTokenClassification"]


def test_the_adapter_knows_better(tmp_path: Path) -> None:
    mapping = {"base_model_class": "MyHead", "parent_library": "here"}
    assert config_changes(tmp_path, {}, {"auto_mapping": mapping})["architectures"] == ["MyHead"]


TASKLESS = {"task_type": None, "modules_to_save": ["score"]}


def test_without_a_task_the_adapter_s_class_counts(tmp_path: Path) -> None:
    mapping = {"base_model_class": "NewHead", "parent_library": "transformers.models.new"}
    found = config_changes(tmp_path, {}, {**TASKLESS, "auto_mapping": mapping})
    assert found["architectures"] == ["NewHead"]
    assert len(found["id2label"]) == 3  # type: ignore[arg-type]


@pytest.mark.parametrize("library", ["here", None, 1])
def test_without_a_task_a_stranger_s_class_says_nothing(tmp_path: Path, library: object) -> None:
    mapping = {"base_model_class": "MyHead", "parent_library": library}
    found = config_changes(tmp_path, {}, {**TASKLESS, "auto_mapping": mapping})
    assert "architectures" not in found
    assert "id2label" in found


@pytest.mark.parametrize("architectures", [[], None, ["Mystery"]])
def test_an_unknown_class_stays_as_it_is(tmp_path: Path, architectures: object) -> None:
    base = {"architectures": architectures, "model_type": None, "tie_word_embeddings": False}
    assert "architectures" not in config_changes(tmp_path, base, {})


@pytest.mark.parametrize(
    ("base", "rows", "changes"),
    [
        ({}, 3, True),
        ({}, 2, False),  # transformers' default
        ({"id2label": {"0": "a", "1": "b", "2": "c"}}, 3, False),
        ({"id2label": {"0": "a"}}, 3, True),
        ({"num_labels": 3}, 3, False),
    ],
)
def test_labels_follow_the_rows(
    tmp_path: Path, base: dict[str, Any], rows: int, changes: bool
) -> None:
    found = config_changes(tmp_path, base, {}, rows)
    expected = {str(n): f"LABEL_{n}" for n in range(rows)}
    assert found.get("id2label") == (expected if changes else None)


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("score.weight", True),
        ("classifier.bias", True),
        ("classifier.out_proj.weight", True),
        ("classification_head.out_proj.bias", True),
        ("classifier.1.weight", True),
        ("classifier.dense.weight", False),
        ("classification_head.dense.weight", False),
        ("pre_classifier.weight", False),
        ("scores.weight", False),
    ],
)
def test_the_last_layer(name: str, last: bool) -> None:
    assert has_row_per_label(name) is last
