from __future__ import annotations

from pathlib import Path

import pytest

from adapter_merge.errors import Corrupt
from adapter_merge.layouts import ConfigEdits, Side
from tests.layouts.tiny import WEIGHTS, Files, MakeSide, contents, write

DENSE = [
    {"path": "", "type": "sentence_transformers.models.Transformer"},
    {"path": "2_Dense", "type": "sentence_transformers.models.Dense"},
]


def origins(side: Side) -> dict[str, str]:
    return {f.path: f.origin for f in side.files}


def left(side: Side, origin: str = "base") -> dict[str, str]:
    return {f.path: f.why for f in side.left_behind if f.origin == origin}


def test_a_base_is_carried_byte_for_byte(make_side: MakeSide) -> None:
    odd = '{"vocab_size" :3 ,\n "eps":1e-5}'
    side = make_side(
        {"config.json": odd, "generation_config.json": odd, "LICENSE": "x", "sub/any.bmp": b"\0"},
        {"adapter_config.json": {}},
    )
    assert origins(side) == dict.fromkeys(
        ["LICENSE", "config.json", "generation_config.json", "sub/any.bmp"], "base"
    )
    assert [f.path for f in side.files] == sorted(f.path for f in side.files)
    assert all(f.content is None and f.source is not None for f in side.files)
    assert side.changes == ()


def test_every_file_is_carried_planned_or_left_with_a_reason(make_side: MakeSide) -> None:
    base = {"README.md": "x", "model.gguf": b"x", "notes.txt": "x", "code.py": "x"}
    adapter = {"adapter_config.json": {}, "README.md": "y", "notes.txt": "y", "code.py": "y"}
    side = make_side(base, adapter)
    assert set(origins(side)) == {"config.json", "notes.txt"}
    assert set(left(side)) == {"README.md", "model.gguf", "code.py"}
    assert set(left(side, "0")) == set(adapter)
    assert all(f.size > 0 and f.why for f in side.left_behind)


def test_a_second_weight_set_is_named(make_side: MakeSide) -> None:
    side = make_side({"pytorch_model.bin": b"x", "extra.safetensors": WEIGHTS})
    assert {p: "second set" in w for p, w in left(side).items()} == {
        "pytorch_model.bin": True,
        "extra.safetensors": True,
    }


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_weights_of_modules_are_kept(make_side: MakeSide, name: str) -> None:
    files = {"modules.json": DENSE, f"2_Dense/{name}": WEIGHTS, "3_Old/pytorch_model.bin": b"x"}
    side = make_side(files)
    assert f"2_Dense/{name}" in origins(side)
    assert "3_Old/pytorch_model.bin" in left(side)


def test_an_adapters_modules_win_whole(make_side: MakeSide) -> None:
    base = {
        "modules.json": DENSE,
        "2_Dense/config.json": {"out": 1},
        "2_Dense/old.txt": "x",
        "sentence_bert_config.json": {"max_seq_length": 1},
    }
    adapter = {
        "modules.json": DENSE,
        "2_Dense/config.json": {"out": 2},
        "2_Dense/model.safetensors": WEIGHTS,
        "2_Dense/evil.py": "x",
    }
    side = make_side(base, adapter)
    assert origins(side) == {
        "config.json": "base",
        "modules.json": "0",
        "2_Dense/config.json": "0",
        "2_Dense/model.safetensors": "0",
    }
    assert set(left(side)) == set(base)
    assert set(left(side, "0")) == {"2_Dense/evil.py"}
    (change,) = side.changes
    assert (change.subject, change.before, change.after) == (
        "sentence-transformers setup",
        "base",
        "0",
    )


def test_an_adapters_file_takes_the_place_of_a_loose_one(make_side: MakeSide) -> None:
    side = make_side(
        {"2_Dense/config.json": {"out": 1}},
        {
            "modules.json": DENSE,
            "2_Dense/config.json": {"out": 2},
            "2_Dense/model.safetensors": WEIGHTS,
        },
    )
    assert contents(side)["2_Dense/config.json"] == {"out": 2}
    assert "its place" in left(side)["2_Dense/config.json"]


def test_another_tokenizer_wins_whole(make_side: MakeSide) -> None:
    base = {"spiece.model": b"x", "special_tokens_map.json": {}, "tokenizer_config.json": {}}
    adapter = {"spiece.model": b"y", "added_tokens.json": {"<x>": 1}, "tokenizer_config.json": {}}
    side = make_side(base, adapter)
    assert origins(side) == {"config.json": "base", **dict.fromkeys(adapter, "0")}
    assert set(left(side)) == set(base)
    assert [c.subject for c in side.changes] == ["tokenizer"]


def test_an_equal_tokenizer_changes_only_what_it_declares(make_side: MakeSide) -> None:
    base = {
        "spiece.model": b"x",
        "tokenizer.json": {"model": {}, "added_tokens": []},
        "tokenizer_config.json": {"z": 1, "eos_token": "</s>"},
    }
    adapter = {"spiece.model": b"x", "tokenizer_config.json": {"eos_token": "<end>", "a": 2}}
    side = make_side(base, adapter)
    assert origins(side) == dict.fromkeys(["config.json", *base], "base")
    rewritten = next(f for f in side.files if f.path == "tokenizer_config.json")
    assert rewritten.source is None
    assert rewritten.content == b'{\n  "z": 1,\n  "eos_token": "<end>"\n}\n'
    assert [(c.subject, c.before, c.after) for c in side.changes] == [
        ("tokenizer_config.json: eos_token", "</s>", "<end>")
    ]
    assert "tokenizer_config.json" in left(side, "0")


def test_a_tokenizer_without_vocabulary_cannot_win(make_side: MakeSide) -> None:
    base: Files = {"vocab.txt": "a", "tokenizer_config.json": {"eos_token": "</s>"}}
    side = make_side(base, {"tokenizer_config.json": {"eos_token": "<end>"}})
    assert contents(side)["tokenizer_config.json"] == {"eos_token": "</s>"}
    assert "vocabulary" in left(side, "0")["tokenizer_config.json"]


def test_the_last_adapter_with_a_family_decides(make_side: MakeSide) -> None:
    side = make_side(
        {"vocab.txt": "a"}, {"vocab.txt": "b"}, {"vocab.txt": "c"}, {"adapter_config.json": {}}
    )
    assert origins(side)["vocab.txt"] == "1"
    assert "`1` is used" in left(side, "0")["vocab.txt"]


def test_a_family_that_the_base_has_not_is_added(make_side: MakeSide) -> None:
    side = make_side({}, {"vocab.txt": "a"})
    assert origins(side)["vocab.txt"] == "0"
    assert [(c.subject, c.before) for c in side.changes] == [("tokenizer", None)]


def test_the_config_is_rewritten_where_the_weights_ask_for_it(make_side: MakeSide) -> None:
    config = {"vocab_size": 3, "torch_dtype": "float32", "other": [1]}
    edits = ConfigEdits(dtype="bf16", vocab_size=4)
    side = make_side({"config.json": config}, edits=edits)
    assert contents(side)["config.json"] == {
        "vocab_size": 4,
        "torch_dtype": "bfloat16",
        "other": [1],
    }
    assert {c.subject for c in side.changes} == {
        "config.json: torch_dtype",
        "config.json: vocab_size",
    }


def test_a_dtype_that_stands_there_already_rewrites_nothing(make_side: MakeSide) -> None:
    side = make_side({"config.json": {"dtype": "bfloat16"}}, edits=ConfigEdits(dtype="bf16"))
    assert side.changes == ()
    assert all(f.content is None for f in side.files)


def test_a_link_that_leaves_the_folder_is_not_there(make_side: MakeSide, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"secret": "x"}) / "secret"
    for folder in ("base", "0"):
        (write(tmp_path / folder, {}) / "vocab.txt").symlink_to(outside)
    side = make_side({"LICENSE": "x"}, {"adapter_config.json": {}})
    assert set(origins(side)) == {"config.json", "LICENSE"}
    assert "vocab.txt" not in {f.path for f in side.left_behind}


@pytest.mark.parametrize("path", ["tokenizer.json", "modules.json", "processor_config.json"])
def test_broken_json_of_an_adapter_stops_the_run(make_side: MakeSide, path: str) -> None:
    with pytest.raises(Corrupt, match=path):
        make_side({path: "[]" if path == "modules.json" else {"model": {}}}, {path: "{"})
