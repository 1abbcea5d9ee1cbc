from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from adapter_merge.card.keys import base_id, carried_keys, keys_of, tags
from adapter_merge.licence import decide
from adapter_merge.readme import Readme
from adapter_merge.stages.resolve import resolve
from tests.build import change_json, make_case, write_adapter

TASK = {"library_name": "transformers", "pipeline_tag": "text-generation"}


def card(front: str) -> str:
    return f"---\n{front}\n---\n# Title\n"


def keys(
    root: Path, *, base: str = "", adapter: str = "", folder: str = "base", **config: object
) -> Mapping[str, Any]:
    case = make_case(root)
    lying = case.base.rename(root / folder) if folder != "base" else case.base
    change_json(case.adapter / "adapter_config.json", **config)
    for at, front in ((lying, base), (case.adapter, adapter)):
        if front:
            (at / "README.md").write_text(card(front))
    sources = resolve(case.request(base=str(lying)))
    terms = decide(sources.base.readme, [a.readme for a in sources.adapters])
    return keys_of(sources, task=TASK, terms=terms)


def test_keys_come_in_one_order_from_adapter_and_base(tmp_path: Path) -> None:
    found = keys(
        tmp_path,
        base="license: mit\nlanguage: en\ntags: [old, conversational]\ndatasets: [b]",
        adapter="library_name: peft\nlanguage: [de]\ntags: [lora, mine]\ndatasets: [a, b]",
        base_model_name_or_path="org/base",
    )
    assert list(found.items()) == [
        ("base_model", "org/base"),
        ("base_model_relation", "finetune"),
        ("library_name", "transformers"),
        ("pipeline_tag", "text-generation"),
        ("license", "mit"),
        ("language", ["de", "en"]),
        ("datasets", ["a", "b"]),
        ("tags", ["mine", "old", "conversational", "adapter-merge"]),
    ]


@pytest.mark.parametrize(
    ("written", "card", "folder", "expected"),
    [
        ("org/base", "", "base", "org/base"),
        ("/content/drive/org/base", "", "base", None),
        ("./base", "base_model: org/real", "base", "org/real"),
        (None, "base_model: /home/me/model", "base", None),
        ("unsloth/x-bnb-4bit", "", "base", "unsloth/x"),
        ("org/SmolLM-135M", "", "SmolLM2-135M", None),
        ("org/SmolLM-135M", "", "SmolLM-135M", "org/SmolLM-135M"),
        ("gpt2", "", "model", "gpt2"),
        ("whatever/x", "", "models--org--name", "org/name"),
    ],
)
def test_a_base_is_named_by_an_id_that_can_be_right(
    tmp_path: Path, written: str | None, card: str, folder: str, expected: str | None
) -> None:
    found = keys(tmp_path, adapter=card, folder=folder, base_model_name_or_path=written)
    assert found.get("base_model") == expected
    assert ("base_model_relation" in found) is (expected is not None)


@pytest.mark.parametrize(
    ("folder", "second", "expected"),
    [
        ("base", "org/one", "org/one"),
        ("base", "ORG/One", "org/one"),
        ("base", None, "org/one"),
        ("base", "org/two", None),
        ("two", "org/two", "org/two"),
    ],
)
def test_adapters_that_disagree_name_no_base(
    tmp_path: Path, folder: str, second: str | None, expected: str | None
) -> None:
    case = make_case(tmp_path)
    lying = case.base.rename(tmp_path / folder)
    change_json(case.adapter / "adapter_config.json", base_model_name_or_path="org/one")
    other = write_adapter(tmp_path / "other", base_model_name_or_path=second)
    request = case.request(base=str(lying), adapters=(str(case.adapter), str(other)))
    assert base_id(resolve(request)) == expected


def test_a_stated_task_goes_before_a_guessed_one(tmp_path: Path) -> None:
    assert keys(tmp_path, adapter="pipeline_tag: summarization")["pipeline_tag"] == "summarization"


def test_an_unknown_licence_is_not_written(tmp_path: Path) -> None:
    assert "license" not in keys(tmp_path, adapter="license: mit")


def test_long_and_many_values_are_cut(tmp_path: Path) -> None:
    many = ", ".join(f"t{n}" for n in range(500))
    found = keys(tmp_path, adapter=f"tags: [{'x' * 500}, {many}]")
    assert len(found["tags"]) <= 41
    assert all(len(t) < 200 for t in found["tags"])


@pytest.mark.parametrize(
    "tag", ["peft", "LoRA", "adapter-transformers", "4-bit", "base_model:adapter:x/y"]
)
def test_tags_of_another_form_are_dropped(tag: str) -> None:
    assert tags(["a", tag, "a", "adapter-merge"]) == ["a", "adapter-merge"]


@pytest.mark.parametrize(("tag", "kept"), [("peft", True), ("LoRA", True), ("4-bit", False)])
def test_a_bundle_has_an_adapter_s_tags(tag: str, kept: bool) -> None:
    assert (tag in tags([tag], bundled=True)) is kept


def test_a_bundle_is_an_adapter_of_its_base(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    change_json(case.adapter / "adapter_config.json", base_model_name_or_path="org/base")
    sources = resolve(case.request())
    found = keys_of(sources, task=TASK, terms=decide(None, []), bundled=True)
    assert (found["base_model"], found["base_model_relation"]) == ("org/base", "adapter")


def test_what_a_single_adapter_measured_is_carried() -> None:
    one = Readme.parse(
        card("metrics: [f1]\nmodel-index: [{name: x}]\nmine: 1\nwidget: " + "x" * 20_000)
    )
    assert carried_keys([one]) == {"metrics": ["f1"], "model-index": [{"name": "x"}]}
    assert carried_keys([one, one]) == {}
    assert carried_keys([None]) == {}
