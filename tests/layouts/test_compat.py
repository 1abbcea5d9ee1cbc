from __future__ import annotations

from typing import Any

import pytest

from adapter_merge.layouts import ConfigEdits, Wishes
from adapter_merge.layouts.compat import compat_config
from tests.layouts.tiny import Files, MakeSide, contents

TOKENIZER = "tokenizer_config.json"
COMPAT = Wishes(compat=True)
NEW = {"tokenizer_class": "TokenizersBackend", "extra_special_tokens": ["<a>"]}
OLD = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "extra_special_tokens": {},
    "additional_special_tokens": ["<a>"],
}
FAST: Files = {"tokenizer.json": {"model": {}}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (NEW, OLD),
        (OLD, OLD),
        ({"tokenizer_class": "Qwen2Tokenizer"}, {"tokenizer_class": "Qwen2Tokenizer"}),
        (
            {"additional_special_tokens": ["<b>", "<a>"], "extra_special_tokens": ["<a>", "<c>"]},
            {"additional_special_tokens": ["<b>", "<a>", "<c>"], "extra_special_tokens": {}},
        ),
        (
            {"model_specific_special_tokens": {"image_token": "<i>"}},
            {
                "model_specific_special_tokens": {"image_token": "<i>"},
                "extra_special_tokens": {"image_token": "<i>"},
            },
        ),
        (
            {"extra_special_tokens": ["<a>"], "model_specific_special_tokens": {"x_token": "<x>"}},
            {
                "extra_special_tokens": {"x_token": "<x>"},
                "model_specific_special_tokens": {"x_token": "<x>"},
                "additional_special_tokens": ["<a>"],
            },
        ),
        (
            {"extra_special_tokens": {"x_token": "<x>"}},
            {"extra_special_tokens": {"x_token": "<x>"}},
        ),
        ({}, {}),
    ],
)
def test_a_tokenizer_gets_the_names_of_version_4(
    make_side: MakeSide, before: dict[str, Any], after: dict[str, Any]
) -> None:
    side = make_side({**FAST, TOKENIZER: before}, wishes=COMPAT)
    assert contents(side)[TOKENIZER] == after
    assert len(side.changes) == sum(before.get(key) != value for key, value in after.items())


def test_a_class_without_a_fast_tokenizer_stays(make_side: MakeSide) -> None:
    side = make_side({"vocab.txt": "a", TOKENIZER: {"tokenizer_class": NEW["tokenizer_class"]}})
    assert side.changes == ()


def test_an_adapter_s_tokenizer_gets_them_too(make_side: MakeSide) -> None:
    base: Files = {"tokenizer.json": {"model": {"a": 1}}, TOKENIZER: {}}
    side = make_side(base, {**FAST, TOKENIZER: NEW}, wishes=COMPAT)
    assert contents(side)[TOKENIZER] == OLD
    (file,) = [f for f in side.files if f.path == TOKENIZER]
    assert (file.origin, file.source) == ("0", None)
    assert {c.subject for c in side.changes} == {
        "tokenizer",
        *(f"{TOKENIZER}: {key}" for key in OLD),
    }


def test_nothing_is_changed_unasked(make_side: MakeSide) -> None:
    config = {"rope_parameters": {"rope_theta": 5.0}}
    modules = [{"path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}]
    base: Files = {"config.json": config, **FAST, TOKENIZER: NEW, "modules.json": modules}
    side = make_side(base)
    assert side.changes == ()
    assert all(f.content is None for f in side.files)


def added(config: dict[str, Any]) -> dict[str, object]:
    return {".".join((*map(str, a.where), a.key)): a.value for a in compat_config(config)}


FULL = {"rope_type": "linear", "factor": 8.0, "rope_theta": 2e6}
THETA = {"rope_theta": 2e6}
LAYERS = ["full_attention", "sliding_attention"]
LOCAL = {"rope_type": "default", "rope_theta": 1e4}
LONG = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "short_factor": [1.0],
    "long_factor": [2.0],
    "original_max_position_embeddings": 4096,
}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {}),
        ({"rope_parameters": None}, {}),
        ({"rope_parameters": LOCAL}, {"rope_theta": 1e4}),
        ({"rope_parameters": LOCAL, "rope_theta": 1e4}, {}),
        (
            {"rope_parameters": FULL},
            {"rope_theta": 2e6, "rope_scaling": {"rope_type": "linear", "factor": 8.0}},
        ),
        (
            {"text_config": {"rope_parameters": {**LOCAL, "mrope_section": [1, 2]}}},
            {
                "text_config.rope_theta": 1e4,
                "text_config.rope_scaling": {"rope_type": "default", "mrope_section": [1, 2]},
            },
        ),
        (
            {"rope_parameters": {**LOCAL, "partial_rotary_factor": 0.5}},
            {"rope_theta": 1e4, "partial_rotary_factor": 0.5},
        ),
        (
            {
                "model_type": "gpt_neox",
                "rope_parameters": {**LOCAL, "partial_rotary_factor": 0.25},
            },
            {"rotary_emb_base": 1e4, "rotary_pct": 0.25},
        ),
        (
            {
                "model_type": "gemma3_text",
                "rope_parameters": {"full_attention": FULL, "sliding_attention": LOCAL},
            },
            {
                "rope_theta": 2e6,
                "rope_scaling": {"rope_type": "linear", "factor": 8.0},
                "rope_local_base_freq": 1e4,
            },
        ),
        (
            {
                "model_type": "modernbert",
                "rope_parameters": {"full_attention": LOCAL, "sliding_attention": LOCAL},
            },
            {"global_rope_theta": 1e4, "local_rope_theta": 1e4},
        ),
        (
            {"model_type": "olmo2", "rope_parameters": {**FULL, "factor": 8}},
            {"rope_theta": 2e6, "rope_scaling": {"type": "linear", "factor": 8.0}},
        ),
        ({"model_type": "olmo2", "rope_parameters": {**FULL, "rope_type": "yarn"}}, THETA),
        ({"model_type": "olmo2", "rope_parameters": {**FULL, "attention_factor": 2}}, THETA),
        (
            {"model_type": "phi3", "rope_parameters": LONG},
            {
                "rope_theta": 1e4,
                "original_max_position_embeddings": 4096,
                "rope_scaling": {"type": "longrope", "short_factor": [1.0], "long_factor": [2.0]},
            },
        ),
        ({"model_type": "phi3", "rope_parameters": FULL}, THETA),
        ({"model_type": "phi3", "rope_parameters": LOCAL}, {"rope_theta": 1e4}),
        (
            {
                "model_type": "olmo3",
                "rope_parameters": {
                    "full_attention": FULL,
                    "sliding_attention": {**LOCAL, "rope_theta": 2e6},
                },
            },
            {"rope_theta": 2e6, "rope_scaling": {"rope_type": "linear", "factor": 8.0}},
        ),
        (
            {
                "model_type": "olmo3",
                "rope_parameters": {"full_attention": FULL, "sliding_attention": LOCAL},
            },
            {},
        ),
        (
            {"model_type": "modernbert", "layer_types": [*LAYERS, *LAYERS]},
            {"global_attn_every_n_layers": 2},
        ),
        (
            {"model_type": "modernbert", "layer_types": LAYERS[:1]},
            {"global_attn_every_n_layers": 3},
        ),
        ({"model_type": "modernbert", "layer_types": LAYERS[::-1]}, {}),
        ({"model_type": "qwen3", "layer_types": LAYERS}, {}),
        ({"model_type": "modernbert", "rope_parameters": {"sliding_attention": LOCAL}}, {}),
        ({"model_type": "new", "rope_parameters": {"full_attention": FULL}}, {}),
        ({"vision_config": {"rope_parameters": {"rope_type": "axial", "rope_theta": 1e4}}}, {}),
    ],
)
def test_rotary_parameters_are_said_in_both_ways(
    config: dict[str, Any], expected: dict[str, object]
) -> None:
    assert added(config) == expected


def test_dtype_keys_are_left_to_the_dtype(make_side: MakeSide) -> None:
    config = {"dtype": "float32", "rope_parameters": LOCAL}
    side = make_side({"config.json": config}, wishes=COMPAT, edits=ConfigEdits(dtype="bf16"))
    found = contents(side)["config.json"]
    assert found == {"dtype": "bfloat16", "rope_parameters": LOCAL, "rope_theta": 1e4}
