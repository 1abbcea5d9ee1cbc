"""A whole run over an adapter that brings a tokenizer, a template and a licence of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter_merge import assemble
from tests.build import Case, change_json, make_case, write_json
from tests.layouts.templates import ALTERNATING, CHATML

TOKENIZER = "tokenizer_config.json"


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A base that ends with token 2, and an adapter that ends its turns with token 5."""
    made = make_case(tmp_path)
    ends = [{"id": 5, "content": "<|im_end|>"}, {"id": 6, "content": "<end_of_turn>"}]
    change_json(made.base / "config.json", eos_token_id=2, rope_parameters={"rope_theta": 5.0})
    write_json(made.base / "generation_config.json", {"eos_token_id": 2})
    (made.base / "LICENSE").write_text("of the base")
    (made.adapter / "LICENSE").write_text("of the adapter")
    (made.adapter / "chat_template.jinja").write_text(CHATML)
    write_json(made.adapter / "tokenizer.json", {"model": {"vocab": {}}, "added_tokens": ends})
    write_json(
        made.adapter / TOKENIZER,
        {"tokenizer_class": "TokenizersBackend", "extra_special_tokens": ["<|im_end|>"]},
    )
    return made


def read(case: Case, path: str) -> Any:
    return json.loads((case.to / path).read_text())


def test_the_result_knows_its_template_and_where_to_stop(case: Case) -> None:
    assert case.run().error is None
    assert (case.to / "chat_template.jinja").read_text() == CHATML
    assert read(case, TOKENIZER)["chat_template"] == CHATML
    assert read(case, "generation_config.json") == {"eos_token_id": [2, 5]}
    assert (case.to / "LICENSE").read_text() == "of the base"
    assert (case.to / "adapter-LICENSE").read_text() == "of the adapter"
    assert {c.subject for c in case.receipt().changes} == {
        "tokenizer",
        "chat template",
        f"{TOKENIZER}: chat_template",
        "generation_config.json: eos_token_id",
        "adapter-LICENSE",
    }
    assert case.run().status == "unchanged"


def test_the_request_decides_otherwise(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text(ALTERNATING)
    settings = {"chat_template": str(file), "generation_config": "base", "compat": True}
    assert case.run(None, **settings).error is None
    assert (case.to / "chat_template.jinja").read_text() == ALTERNATING
    assert read(case, "generation_config.json") == {"eos_token_id": 2}
    assert read(case, "config.json")["rope_theta"] == 5.0
    assert read(case, TOKENIZER) == {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "extra_special_tokens": {},
        "chat_template": ALTERNATING,
        "additional_special_tokens": ["<|im_end|>"],
    }
    kept = case.receipt().settings
    assert {"chat_template", "generation_config", "compat"} <= set(kept)
    assert str(tmp_path) not in "".join(kept.values())
    file.rename(tmp_path / "moved.jinja")
    settings["chat_template"] = str(tmp_path / "moved.jinja")
    assert case.run(None, **settings).status == "unchanged"


@pytest.mark.parametrize("setting", [{"generation_config": "base"}, {"compat": True}])
def test_each_setting_is_another_recipe(case: Case, setting: dict[str, object]) -> None:
    before = assemble.plan(case.request())
    assert assemble.plan(case.request(**setting)).recipe != before.recipe
    assert not {"chat_template", "generation_config", "compat"} & set(before.settings)


def test_another_licence_is_another_recipe(case: Case) -> None:
    before = assemble.plan(case.request()).recipe
    (case.adapter / "LICENSE").write_text("of the adapter, revised")
    assert assemble.plan(case.request()).recipe != before


def test_a_template_that_is_none_is_a_mistake_in_the_request(case: Case) -> None:
    error = case.run(chat_template=str(case.base / "nowhere.jinja")).error
    assert error is not None
    assert (error.type, error.code) == ("RequestError", 2)
