"""Faults among the files: each is planted in a good folder and found under its code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from adapter_merge.finding import Outcome
from adapter_merge.folder import INDEX
from adapter_merge.receipt import FileRecord
from adapter_merge.report import Merged
from tests.checks.tiny import FIRST, Case, having, outcomes

Plant = Callable[[Path], object]


def write(path: str, content: str = "{}") -> Plant:
    def plant(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)

    return plant


def delete(path: str) -> Plant:
    return lambda folder: (folder / path).unlink()


def index(total_size: int | None = None, shard: str = "model.safetensors") -> Plant:
    """An index that puts one tensor in `shard` and knows no other."""
    content = {"metadata": {"total_size": total_size}, "weight_map": {FIRST: shard}}
    return write(INDEX, json.dumps(content))


def modules(*entries: tuple[str, str]) -> Plant:
    return write("modules.json", json.dumps([{"path": p, "type": t} for p, t in entries]))


# The text config leaves out its width, and the vision config names a vocabulary that isn't there.
LLAVA = (
    '{"text_config": {"vocab_size": 12}, "vision_config": {"vocab_size": 99, "hidden_size": 64}}'
)
POOLING, NORMALIZE = ("1_Pooling", "st.models.Pooling"), ("2_Normalize", "st.models.Normalize")

BREAKING = [
    ("F001", delete("config.json")),
    ("F001", delete("model.safetensors")),
    ("F001", delete("tokenizer.json")),
    ("F001", modules(POOLING)),
    ("F001", modules(("2_Normalize", "sentence_transformers.base.modules.normalize.Normalize"))),
    ("F001", write("modules.json", "not JSON")),
    ("F001", write("modules.json", '["no path"]')),
    ("F001", write("modules.json", "[" * 100_000)),
    ("F002", write("consolidated.safetensors")),
    ("F002", write("consolidated.00.pth")),
    ("F002", write("model-00001-of-00002.safetensors")),
    ("F002", write("pytorch_model.bin")),
    ("F002", write("tf_model.h5")),
    ("F002", write("model-q4.gguf")),
    ("F002", write("onnx/model.onnx")),
    ("F002", write("openvino/openvino_model.xml")),
    ("F003", index(shard="model.safetensors")),
    ("F003", write("model.safetensors", "no header")),
    ("F004", write("adapter_config.json")),
    ("F004", write("adapter_model.safetensors")),
    ("F004", write("adapter_model.bin")),
    ("F005", write("config.json", "[]")),
    ("F005", write("config.json", '{"vocab_size": 13, "hidden_size": 8}')),
    ("F005", write("config.json", '{"vocab_size": 12, "hidden_size": 16}')),
    ("F005", write("config.json", '{"text_config": {"vocab_size": 13}}')),
    ("F006", write("tokenizer.json", "[]")),
    ("F006", write("tokenizer.json", '{"model": {"vocab": 7}}')),
    ("F007", write("left_over.tmp")),
]


@pytest.mark.parametrize(("code", "plant"), BREAKING)
def test_planted_fault_fails(case: Case, code: str, plant: Plant) -> None:
    written = Merged(folder=case.folder, files=_records(case.folder))
    plant(case.folder)
    assert Outcome.FAIL in outcomes(case.own_with(written))[code]


@pytest.mark.parametrize(
    "plant",
    [
        modules(NORMALIZE),
        write("training_args.bin"),
        write("config.json", '{"text_config": {"vocab_size": 12, "hidden_size": 8}}'),
        write("config.json", '{"vocab_size": 12, "hidden_size": 64, "embedding_size": 8}'),
        write("config.json", LLAVA),
        write(
            "config.json", '{"model_type": "mllama_text_model", "vocab_size": 4, "hidden_size": 8}'
        ),
        write("tokenizer.json", '{"model": {"vocab": [["a", 0.0], ["b", -1.0]]}}'),
    ],
)
def test_lookalikes_pass(case: Case, plant: Plant) -> None:
    plant(case.folder)
    assert not having(case.own(), Outcome.FAIL)


def test_weights_of_a_module_are_no_second_set(case: Case) -> None:
    modules(("2_Dense", "st.models.Dense"))(case.folder)
    write("2_Dense/pytorch_model.bin")(case.folder)
    assert not having(case.own(), Outcome.FAIL)


def test_names_of_an_adapter_among_the_tensors(case: Case) -> None:
    case.change(
        lambda tensors: tensors.update({f"base_model.model.{FIRST}": tensors[FIRST].clone()})
    )
    assert outcomes(case.alone())["F004"] == {Outcome.FAIL}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (f"base_model.model.{FIRST}", Outcome.PASS),
        ("base_model.model.proj.lora_A.weight", Outcome.FAIL),
    ],
)
def test_a_name_that_the_base_s_own_file_has(case: Case, name: str, found: Outcome) -> None:
    """The prefix alone may be its class's; a half of a delta is nobody's."""
    case.change(lambda tensors: tensors.update({name: tensors[FIRST].clone()}))
    (shard,) = case.plan.shards
    (planned,) = (t for t in shard.tensors if t.info.name == FIRST)
    info = replace(planned.info, name=name)
    assert planned.base is not None
    base = replace(planned.base, info=replace(planned.base.info, name=name))
    own = replace(planned, info=info, base=base, edit=None)
    shards = (replace(shard, tensors=(*shard.tensors, own)),)
    assert outcomes(case.with_plan(shards=shards).own())["F004"] == {found}


def test_wrong_total_size_warns(case: Case) -> None:
    names = case.plan.tensors
    content = {
        "metadata": {"total_size": 7},
        "weight_map": dict.fromkeys(names, "model.safetensors"),
    }
    write(INDEX, json.dumps(content))(case.folder)
    assert outcomes(case.alone())["F003"] == {Outcome.WARN}


def test_config_that_was_wrong_in_the_base_only_warns(case: Case) -> None:
    config = {"vocab_size": 99, "hidden_size": 8}
    write("config.json", json.dumps(config))(case.folder)
    base = replace(case.sources.base, config=config)
    case = replace(case, sources=replace(case.sources, base=base))
    assert outcomes(case.own())["F005"] == {Outcome.WARN}
    assert outcomes(case.foreign())["F005"] == {Outcome.FAIL}


@pytest.mark.parametrize(("origin", "outcome"), [("base", "warn"), ("./adapter", "fail")])
def test_token_without_a_row(case: Case, origin: str, outcome: str) -> None:
    tokenizer = {"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 12, "content": "<new>"}]}
    write("tokenizer.json", json.dumps(tokenizer))(case.folder)
    side = tuple(replace(f, origin=origin) for f in case.plan.side_files)
    assert outcomes(case.with_plan(side_files=side).own())["F006"] == {Outcome(outcome)}


@pytest.mark.parametrize("size", [1, None])
def test_file_of_another_size(case: Case, size: int | None) -> None:
    files = _records(case.folder)
    path = "config.json" if size else "gone.txt"
    files[path] = FileRecord(size=size or 5, sha256="")
    assert outcomes(case.own_with(Merged(folder=case.folder, files=files)))["F007"] == {
        Outcome.FAIL
    }


@pytest.mark.parametrize(
    ("plant", "outcome"),
    [(write("onnx/model.onnx"), Outcome.WARN), (write("pytorch_model.bin"), Outcome.FAIL)],
)
def test_second_set_of_others(case: Case, plant: Plant, outcome: Outcome) -> None:
    plant(case.folder)
    assert outcomes(case.foreign())["F002"] == {outcome}


def test_two_sets_that_loaders_disagree_on(case: Case) -> None:
    index(shard="other.safetensors")(case.folder)
    assert outcomes(case.alone())["F002"] == {Outcome.FAIL}


def test_only_pickles(case: Case) -> None:
    delete("model.safetensors")(case.folder)
    write("pytorch_model.bin")(case.folder)
    assert outcomes(case.alone())["F002"] == {Outcome.FAIL}


def _records(folder: Path) -> dict[str, FileRecord]:
    return {p.name: FileRecord(size=p.stat().st_size, sha256="") for p in folder.iterdir()}
