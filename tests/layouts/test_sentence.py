from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter_merge.layouts import Wishes
from tests.layouts.tiny import WEIGHTS, Files, MakeSide, contents

NEW = [
    {"path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
    {
        "path": "1_Pooling",
        "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    },
    {"path": "2_Dense", "type": "sentence_transformers.base.modules.dense.Dense"},
    {"path": "3_Normalize", "type": "sentence_transformers.base.modules.normalize.Normalize"},
]
OLD = ["Transformer", "Pooling", "Dense", "Normalize"]
TEXTS = {
    "transformer_task": "feature-extraction",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    "module_output_name": "token_embeddings",
}
DENSE = {"in_features": 4, "out_features": 2, "bias": True}
NAMES = {"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"}
POOLING = {"embedding_dimension": 4, "pooling_mode": "mean", "include_prompt": True}
FILES: Files = {
    "modules.json": NEW,
    "sentence_bert_config.json": {"max_seq_length": 8, **TEXTS},
    "1_Pooling/config.json": POOLING,
    "2_Dense/config.json": {**DENSE, **NAMES},
    "2_Dense/model.safetensors": WEIGHTS,
    "3_Normalize/config.json": NAMES,
}


def older(make_side: MakeSide, files: Files) -> dict[str, Any]:
    return contents(make_side(files, wishes=Wishes(compat=True)))


def pooled(*modes: str) -> dict[str, object]:
    every = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens"]
    said = {f"pooling_mode_{m}": m in modes for m in [*every, "weightedmean_tokens", "lasttoken"]}
    return {"word_embedding_dimension": 4, **said, "include_prompt": True}


def test_every_file_gets_its_older_form(make_side: MakeSide) -> None:
    found = older(make_side, FILES)
    assert [m["type"] for m in found["modules.json"]] == [
        f"sentence_transformers.models.{name}" for name in OLD
    ]
    assert [m["path"] for m in found["modules.json"]] == [m["path"] for m in NEW]
    assert found["sentence_bert_config.json"] == {"max_seq_length": 8}
    assert found["2_Dense/config.json"] == DENSE
    assert found["1_Pooling/config.json"] == pooled("mean_tokens")


def test_a_normalize_of_tokens_keeps_the_name_that_older_versions_stop_at(
    make_side: MakeSide,
) -> None:
    tokens = {"module_input_name": "token_embeddings", "module_output_name": "token_embeddings"}
    found = older(make_side, {**FILES, "3_Normalize/config.json": tokens})
    assert found["modules.json"][3] == NEW[3]


def test_the_older_form_stays(make_side: MakeSide) -> None:
    files = older(make_side, FILES)
    side = make_side(files, wishes=Wishes(compat=True))
    assert side.changes == ()
    assert all(f.content is None for f in side.files)


def test_every_change_is_declared(make_side: MakeSide) -> None:
    side = make_side(FILES, wishes=Wishes(compat=True))
    assert [c.subject for c in side.changes] == [
        *(f"modules.json: {n}.type" for n in range(4)),
        "sentence_bert_config.json",
        "1_Pooling/config.json",
        "2_Dense/config.json",
    ]


def test_an_adapter_s_modules_get_it_too(make_side: MakeSide) -> None:
    side = make_side({}, FILES, wishes=Wishes(compat=True))
    assert contents(side)["2_Dense/config.json"] == DENSE
    assert {f.origin for f in side.files if f.path in FILES} == {"0"}


@pytest.mark.parametrize(
    ("mode", "modes"),
    [
        ("cls", ["cls_token"]),
        ("lasttoken", ["lasttoken"]),
        (["mean", "max"], ["mean_tokens", "max_tokens"]),
    ],
)
def test_a_pooling_mode_gets_a_key_of_its_own(
    make_side: MakeSide, mode: object, modes: list[str]
) -> None:
    files = {**FILES, "1_Pooling/config.json": {**POOLING, "pooling_mode": mode}}
    assert older(make_side, files)["1_Pooling/config.json"] == pooled(*modes)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("sentence_bert_config.json", {**TEXTS, "transformer_task": "any-to-any"}),
        ("2_Dense/config.json", {**DENSE, **NAMES, "module_input_name": "token_embeddings"}),
        ("1_Pooling/config.json", {**POOLING, "pooling_mode": "of tomorrow"}),
        ("1_Pooling/config.json", {"pooling_mode": "mean"}),
        ("modules.json", [{"path": "", "type": "sentence_transformers.base.modules.new.New"}]),
        ("modules.json", [{"path": "", "type": "my.Pooling"}]),
    ],
)
def test_what_has_no_older_form_stays(make_side: MakeSide, path: str, content: object) -> None:
    assert older(make_side, {**FILES, path: content})[path] == content


@pytest.mark.parametrize(
    ("config", "tokenizer", "expected"),
    [
        ({"max_position_embeddings": 16}, {"model_max_length": 8}, {"max_seq_length": 8}),
        ({"max_position_embeddings": 16}, {"model_max_length": 10**30}, {"max_seq_length": 16}),
        ({"text_config": {"max_position_embeddings": 16}}, {}, {"max_seq_length": 16}),
        ({}, {}, {}),
    ],
)
def test_the_length_is_said(
    make_side: MakeSide, config: Files, tokenizer: Files, expected: Files
) -> None:
    more = {"config.json": config, "vocab.txt": "a", "tokenizer_config.json": tokenizer}
    found = older(make_side, {**FILES, **more, "sentence_bert_config.json": TEXTS})
    assert found["sentence_bert_config.json"] == expected


def test_a_file_that_is_not_there_is_not_written(make_side: MakeSide) -> None:
    files = {**FILES, "config.json": {"max_position_embeddings": 16}}
    found = older(make_side, {k: v for k, v in files.items() if not k.startswith("sentence")})
    assert "sentence_bert_config.json" not in found


def test_sparse_modules_have_a_home_of_their_own(make_side: MakeSide) -> None:
    kind = "sentence_transformers.sparse_encoder.modules.splade_pooling.SpladePooling"
    files: Files = {
        "modules.json": [{"path": "1_Splade", "type": kind}],
        "1_Splade/config.json": {},
    }
    (module,) = older(make_side, files)["modules.json"]
    assert module["type"] == "sentence_transformers.sparse_encoder.models.SpladePooling"


def test_today_s_version_reads_the_older_form(make_side: MakeSide, tmp_path: Path) -> None:
    from sentence_transformers import models

    found = older(make_side, FILES)
    assert all(getattr(models, name) for name in OLD)
    (tmp_path / "config.json").write_text(json.dumps(found["1_Pooling/config.json"]))
    pooling = models.Pooling.load(str(tmp_path))
    assert pooling.get_config_dict() == POOLING
