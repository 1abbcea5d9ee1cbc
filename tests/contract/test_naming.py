"""Adapters and files of any era meet: each row of the table in docs, merged, gives what PEFT gives."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import modules_after
from tests.contract.eras import ERAS, MODELS, renamed
from tests.contract.makers import change_config, change_tensors, tensors_of
from tests.contract.merges import (
    Side,
    expected,
    planned,
    table,
    with_bare_names,
    write_adapter,
    write_file,
)
from tests.contract.oracle import differing, ours

_ROWS = [
    (name.strip("`"), Side.of(file), Side.of(adapter), reading)
    for name, file, adapter, reading in table("What is tested")
]


@pytest.mark.parametrize(("name", "file", "adapter", "reading"), _ROWS, ids=str)
def test_a_row_of_the_table(
    name: str, file: Side, adapter: Side, reading: str, tmp_path: Path
) -> None:
    base = write_file(name, file, tmp_path / "base")
    changes = write_adapter(name, adapter, tmp_path / "adapter")
    report = ours(base, {tmp_path / "adapter": 1.0}, tmp_path / "out")
    assert report.error is None, report.error
    assert differing(tensors_of(tmp_path / "out"), expected(base, changes)) == []
    assert planned(base, tmp_path / "adapter").naming == (reading,)


def test_the_table_has_every_era_of_every_class() -> None:
    there = {(name, side.era) for name, file, adapter, _ in _ROWS for side in (file, adapter)}
    assert {name for name, _ in there} == set(MODELS)
    assert {(name, era) for name, eras in ERAS.items() for era in eras} <= there


@pytest.mark.parametrize(
    "name", ["LlavaForConditionalGeneration", "ColPali", "ViTForImageClassification"]
)
def test_an_adapter_gives_the_same_bytes_under_old_and_new_names(name: str, tmp_path: Path) -> None:
    base = write_file(name, Side.of("live"), tmp_path / "base")
    write_adapter(name, Side.of("new"), tmp_path / "new")
    shutil.copytree(tmp_path / "new", tmp_path / "old")
    older = with_bare_names(lambda tensors: renamed(tensors, ERAS[name]["old"]))
    change_tensors(tmp_path / "old", older)
    for era in ("new", "old"):
        assert ours(base, {tmp_path / era: 1.0}, tmp_path / f"out-{era}").error is None
    weights = [tmp_path / f"out-{era}" / "model.safetensors" for era in ("new", "old")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.parametrize(
    ("name", "file", "adapter"),
    [
        ("LlamaForCausalLM", "saved", "new"),
        ("LlamaForCausalLM", "saved", "headless, new"),
        ("BertForSequenceClassification", "headless, saved", "new"),
    ],
)
def test_the_plan_of_a_common_text_model_asks_no_class(
    name: str, file: str, adapter: str, tmp_path: Path
) -> None:
    write_file(name, Side.of(file), tmp_path / "base")
    write_adapter(name, Side.of(adapter), tmp_path / "adapter")
    modules = modules_after("plan ./adapter --base ./base", cwd=tmp_path)
    assert not modules & {"torch", "transformers", "peft"}


@pytest.mark.parametrize("architectures", [None, ["SomethingElse"]])
@pytest.mark.parametrize(
    ("name", "file", "adapter"),
    [
        ("LlavaForConditionalGeneration", "hub", "new"),
        ("LlavaForConditionalGeneration", "live", "old"),
        ("Qwen2VLForConditionalGeneration", "saved", "new"),
        ("ColQwen2", "old", "new"),
        ("ColPali", "live", "old"),
    ],
)
def test_a_file_needs_no_architectures(
    name: str, file: str, adapter: str, architectures: list[str] | None, tmp_path: Path
) -> None:
    base = write_file(name, Side.of(file), tmp_path / "base")
    change_config(base, architectures=architectures)
    changes = write_adapter(name, Side.of(adapter), tmp_path / "adapter")
    assert ours(base, {tmp_path / "adapter": 1.0}, tmp_path / "out").error is None
    assert differing(tensors_of(tmp_path / "out"), expected(base, changes)) == []
