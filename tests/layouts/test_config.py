from __future__ import annotations

from typing import Any

import pytest

from adapter_merge.layouts.config import ConfigEdits, config_assignments, untied


def assigned(config: dict[str, Any], edits: ConfigEdits) -> dict[str, object]:
    wanted = config_assignments(config, edits)
    assert all(a.file == "config.json" for a in wanted)
    return {".".join((*map(str, a.where), a.key)): a.value for a in wanted}


def test_nothing_is_asked_by_default() -> None:
    config = {"torch_dtype": "float32", "vocab_size": 3, "architectures": ["A"]}
    assert assigned(config, ConfigEdits()) == {}


@pytest.mark.parametrize(
    ("short", "name"), [("fp32", "float32"), ("bf16", "bfloat16"), ("fp16", "float16")]
)
def test_every_dtype_key_is_rewritten_and_none_added(short: Any, name: str) -> None:
    config = {
        "torch_dtype": "float64",
        "dtype": "float64",
        "text_config": {"dtype": "float64", "rope_config": {"torch_dtype": None}},
        "vision_config": {"hidden_size": 4},
        "encoder": {"model_type": "bert", "torch_dtype": "float64"},
        "extra": {"dtype": "not a model's"},
    }
    assert assigned(config, ConfigEdits(dtype=short)) == {
        "torch_dtype": name,
        "dtype": name,
        "text_config.dtype": name,
        "text_config.rope_config.torch_dtype": name,
        "encoder.torch_dtype": name,
    }


@pytest.mark.parametrize(
    ("config", "keys"),
    [
        ({"vocab_size": 3}, ["vocab_size"]),
        ({"text_config": {"vocab_size": 3}}, ["text_config.vocab_size"]),
        (
            {"vocab_size": 3, "text_config": {"vocab_size": 3}},
            ["vocab_size", "text_config.vocab_size"],
        ),
        ({"vocab_size": 3, "vision_config": {"vocab_size": 3}}, ["vocab_size"]),
        (
            {"thinker_config": {"text_config": {"vocab_size": 3}}},
            ["thinker_config.text_config.vocab_size"],
        ),
        (
            {
                "text_config": {"vocab_size": 3},
                "llm_config": {"vocab_size": 3},
                "codec_config": {"vocab_size": 4},
            },
            ["text_config.vocab_size", "llm_config.vocab_size"],
        ),
        ({"vocab_size": 3, "audio_config": {"text_config": {"vocab_size": 3}}}, ["vocab_size"]),
        ({"text_config": {}}, ["text_config.vocab_size"]),
        ({}, ["vocab_size"]),
    ],
)
def test_vocab_size_is_set_where_it_stands(config: dict[str, Any], keys: list[str]) -> None:
    assert assigned(config, ConfigEdits(vocab_size=5)) == dict.fromkeys(keys, 5)


@pytest.mark.parametrize(
    ("config", "keys"),
    [
        ({}, ["tie_word_embeddings"]),
        ({"tie_word_embeddings": True, "vision_config": {}}, ["tie_word_embeddings"]),
        (
            {"text_config": {"rope_config": {}}},
            ["tie_word_embeddings", "text_config.tie_word_embeddings"],
        ),
        (
            {
                "tie_word_embeddings": True,
                "decoder": {"model_type": "x", "tie_word_embeddings": True},
            },
            ["tie_word_embeddings", "decoder.tie_word_embeddings"],
        ),
    ],
)
def test_what_is_untied_is_said_everywhere(config: dict[str, Any], keys: list[str]) -> None:
    assert assigned(config, ConfigEdits(untied=True)) == dict.fromkeys(keys, False)
    after = untied(config)
    assert set(assigned(after, ConfigEdits(untied=True)).values()) == {False}
    assert after["tie_word_embeddings"] is False
    assert config.get("tie_word_embeddings") is not False


def test_a_head_brings_class_and_labels() -> None:
    edits = ConfigEdits(architecture="BertForSequenceClassification", labels=2)
    assert assigned({"num_labels": 3}, edits) == {
        "architectures": ["BertForSequenceClassification"],
        "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
        "label2id": {"LABEL_0": 0, "LABEL_1": 1},
        "num_labels": 2,
    }
    assert "num_labels" not in assigned({}, edits)
