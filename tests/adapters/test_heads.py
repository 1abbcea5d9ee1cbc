"""Class and labels of a model that gets a head from its adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapter_merge import assemble
from adapter_merge.adapters.saved_modules import has_row_per_label
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
    root: Path, base: dict[str, Any], adapter: dict[str, Any], rows: int = 3
) -> dict[str, object]:
    """What the plan declares in `config.json`, for an adapter with a head of so many rows."""
    case = make_case(root)
    head = {f"{PREFIX}score.weight": np.ones((rows, 8), np.float32)}
    case = Case(
        base=write_base(root / "b", base_tensors(), **base),
        adapter=write_adapter(root / "a", adapter_tensors() | head, **{"task_type": "SEQ_CLS", **adapter}),
        to=case.to,
    )  # fmt: skip
    changes = assemble.plan(case.request()).changes
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
def test_the_sibling_with_a_head(tmp_path: Path, before: str, after: str) -> None:
    found = config_changes(tmp_path, {"architectures": [before], "tie_word_embeddings": False}, {})
    assert found["architectures"] == [after]


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
    base = {"architectures": architectures, "tie_word_embeddings": False}
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
