"""What is printed and written here means the same to the installed libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter_merge.folder import list_files
from adapter_merge.layouts import Wishes
from adapter_merge.layouts.repo import Repo
from adapter_merge.layouts.sandbox import MARKER, after_answer
from adapter_merge.layouts.stop import stop_token
from adapter_merge.layouts.tokenizer import named_tokens
from adapter_merge.sources import Pinned
from tests.layouts.templates import CLOSED_BY, PARTS, PLAIN, SILENT
from tests.layouts.tiny import MakeSide, contents

NAMED = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
OTHERS = ["<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<think>", "</think>"]


def chat(template: str) -> list[dict[str, object]]:
    words = (("user", "WhatTheUserSays"), ("assistant", MARKER))
    if template != PARTS:
        return [{"role": role, "content": text} for role, text in words]
    return [{"role": r, "content": [{"type": "text", "text": text}]} for r, text in words]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer as the installed transformers saves it."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    root = tmp_path_factory.mktemp("tokenizer")
    made = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"a": 0, "<unk>": 1}, "<unk>")),
        additional_special_tokens=OTHERS,
        **NAMED,
    )
    made.save_pretrained(root)
    return root


@pytest.mark.parametrize("template", [*CLOSED_BY, PLAIN, SILENT])
def test_the_same_text_follows_the_answer(saved: Path, template: str) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(saved)
    said = theirs.apply_chat_template(chat(template), chat_template=template, tokenize=False)
    _, found, expected = said.rpartition(MARKER)
    pinned = Pinned(source="base", root=saved)
    repo = Repo(origin="base", pinned=pinned, files=list_files(saved))
    after = after_answer(template, named_tokens(repo, ()))
    assert after == (expected if found else None)
    stop = stop_token(template, repo, ())
    closing = CLOSED_BY.get(template)
    assert (stop.token if stop else None) == closing
    assert closing is None or stop is None or stop.id == theirs.convert_tokens_to_ids(closing)


ROPE = {"rope_type": "default", "rope_theta": 500000.0}
LAYERS = {
    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 2e6},
    "sliding_attention": {"rope_type": "default", "rope_theta": 20000.0},
}


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "qwen3", "rope_parameters": ROPE},
        {"model_type": "llama", "rope_parameters": {**ROPE, "rope_type": "dynamic", "factor": 2.0}},
        {"model_type": "stablelm", "rope_parameters": {**ROPE, "partial_rotary_factor": 0.5}},
        {"model_type": "gpt_neox", "rope_parameters": {**ROPE, "partial_rotary_factor": 0.5}},
        {"model_type": "gemma3_text", "rope_parameters": LAYERS},
        {"model_type": "olmo2", "rope_parameters": {**ROPE, "rope_type": "linear", "factor": 2}},
        {
            "model_type": "olmo3",
            "rope_parameters": {
                "full_attention": {**ROPE, "rope_type": "linear", "factor": 2.0},
                "sliding_attention": ROPE,
            },
        },
        {
            "model_type": "phi3",
            "original_max_position_embeddings": 4096,
            "rope_parameters": {
                **ROPE,
                "rope_type": "longrope",
                "short_factor": [1.0] * 48,
                "long_factor": [2.0] * 48,
                "original_max_position_embeddings": 4096,
            },
        },
        {"model_type": "modernbert", "rope_parameters": {**LAYERS, "full_attention": ROPE}},
        {
            "model_type": "qwen2_5_vl",
            "text_config": {"rope_parameters": {**ROPE, "mrope_section": [8, 12, 12]}},
        },
    ],
    ids=lambda config: config["model_type"],
)
def test_rotary_parameters_are_read_as_before(make_side: MakeSide, config: dict[str, Any]) -> None:
    from transformers import AutoConfig

    written = contents(make_side({"config.json": config}, wishes=Wishes(compat=True)))
    before, after = (
        AutoConfig.for_model(**c).get_text_config().rope_parameters
        for c in (config, written["config.json"])
    )
    after.pop("type", None)  # the older word for `rope_type`, which some classes of 4.57 want
    assert after == before
    assert written["config.json"] != config


def test_a_tokenizer_is_read_as_before(saved: Path, make_side: MakeSide, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    files = {p.name: p.read_bytes() for p in saved.iterdir()}
    side = make_side(files, wishes=Wishes(compat=True))
    assert {c.subject for c in side.changes} >= {"tokenizer_config.json: tokenizer_class"}
    (tmp_path / "out").mkdir()
    for file in side.files:
        content = file.content if file.source is None else file.source.read_bytes()
        (tmp_path / "out" / file.path).write_bytes(content or b"")
    before, after = (AutoTokenizer.from_pretrained(root) for root in (saved, tmp_path / "out"))
    text = "a<|im_end|> a</s>"
    assert after(text)["input_ids"] == before(text)["input_ids"]
    assert after.special_tokens_map == before.special_tokens_map
    assert after.all_special_tokens == before.all_special_tokens
