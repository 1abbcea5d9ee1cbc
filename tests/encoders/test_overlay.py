"""The reference's folder: whose files it has, and that a right merge with other files than the base's is proved."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from adapter_merge.encoders.overlay import lay
from adapter_merge.stages.draft import draft
from adapter_merge.stages.resolve import resolve
from tests.build import Case, change_json, make_case, write_json
from tests.encoders.conftest import MergeOf
from tests.encoders.proofs import failing, merge, prove, ran


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


def _laid(case: Case, **settings: object) -> Path:
    request = case.request(**settings)
    sources = resolve(request)
    return lay(draft(request, sources), sources, case.to.with_name("laid"))


def _files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_weights_are_links_and_those_of_other_programs_stay_behind(case: Case) -> None:
    (case.base / "pytorch_model.bin").touch()
    (case.base / "notes.txt").write_text("kept")
    laid = _laid(case)
    assert _files(laid) == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "notes.txt",
    }
    assert (laid / "model.safetensors").readlink() == case.base / "model.safetensors"
    assert not (laid / "config.json").is_symlink()


@pytest.mark.parametrize("whole", [True, False])
def test_a_tokenizer_comes_from_one_source(case: Case, whole: bool) -> None:
    write_json(case.base / "tokenizer.json", {"model": {"type": "base's"}})
    write_json(case.base / "added_tokens.json", {})
    write_json(case.adapter / "tokenizer_config.json", {"model_max_length": 5})
    if whole:
        write_json(case.adapter / "tokenizer.json", {"model": {"type": "adapter's"}})
    laid = _laid(case)
    model = json.loads((laid / "tokenizer.json").read_text())["model"]
    assert model["type"] == ("adapter's" if whole else "base's")
    assert (laid / "tokenizer_config.json").exists() is whole
    assert (laid / "added_tokens.json").exists() is not whole


def test_the_config_is_the_planned_one_and_its_ties_those_of_the_base(case: Case) -> None:
    tied = {"tie_word_embeddings": True}
    change_json(case.base / "config.json", text_config=tied)
    request = case.request()
    sources = resolve(request)
    plan = draft(request, sources)
    planned = {**tied, "id2label": {"0": "a"}, "text_config": {"tie_word_embeddings": False}}
    (config,) = (f for f in plan.side_files if f.path == "config.json")
    config = replace(config, source=None, content=json.dumps(planned).encode())
    laid = lay(replace(plan, side_files=(config,)), sources, case.to)
    found = json.loads((laid / "config.json").read_text())
    assert found == {"id2label": {"0": "a"}, "text_config": tied, "tie_word_embeddings": False}


def test_the_chat_template_is_the_one_that_was_planned(case: Case, tmp_path: Path) -> None:
    write_json(case.base / "tokenizer.json", {})
    write_json(case.base / "chat_template.json", {"chat_template": "old"})
    (tmp_path / "mine.jinja").write_text("{{ messages }}")
    laid = _laid(case, chat_template=str(tmp_path / "mine.jinja"))
    assert (laid / "chat_template.jinja").read_text() == "{{ messages }}"
    assert not (laid / "chat_template.json").exists()


def test_a_processor_of_the_adapter_is_no_fault(merge_of: MergeOf, tmp_path: Path) -> None:
    """It was trained with other pictures than the base: the result has its processor, and so has who loads both."""
    made = merge_of("native-colpali")
    adapter = tmp_path / "adapter"
    shutil.copytree(made.sources.adapters[0].pinned.root, adapter)
    values = json.loads((made.base / "processor_config.json").read_text())
    values["image_processor"]["image_mean"] = [0.1, 0.2, 0.3]
    write_json(adapter / "processor_config.json", values)
    other = merge(made.base, (str(adapter),), tmp_path / "merged")
    assert failing(ran(other)) == set()
    shutil.copy(made.base / "processor_config.json", other.folder)
    assert failing(prove(other)) == {"E001"}


def test_a_chat_template_of_ones_own_is_no_fault(merge_of: MergeOf, tmp_path: Path) -> None:
    made = merge_of("seeing-idefics3")
    template = "{% for m in messages %}{% for c in m.content %}{% if c.type == 'image' %}<image>{% else %}so: {{ c.text }}{% endif %}{% endfor %}{% endfor %}"
    (tmp_path / "mine.jinja").write_text(template)
    adapter = str(made.sources.adapters[0].pinned.root)
    given = {"chat_template": str(tmp_path / "mine.jinja")}
    other = merge(made.base, (adapter,), tmp_path / "merged", **given)
    assert failing(ran(other)) == set()
