from __future__ import annotations

from typing import Any

import pytest

from adapter_merge.errors import Corrupt
from adapter_merge.layouts.tokenizer import declared_differences, is_vocabulary, same_tokenizer
from tests.layouts.tiny import Files, MakeRepo

FAST: dict[str, Any] = {
    "truncation": None,
    "added_tokens": [{"id": 2, "content": "</s>", "special": True}],
    "normalizer": {"type": "NFC"},
    "pre_tokenizer": {"type": "ByteLevel"},
    "post_processor": None,
    "decoder": {"type": "ByteLevel"},
    "model": {
        "type": "BPE",
        "dropout": None,
        "vocab": {"a": 0, "b": 1},
        "merges": ["a b"],
        "byte_fallback": False,
    },
}


def having(**model: object) -> dict[str, Any]:
    return {**FAST, "model": {**FAST["model"], **model}}


@pytest.mark.parametrize(
    "other",
    [
        FAST,
        {**FAST, "truncation": {"max_length": 8}, "padding": {"pad_id": 0}},
        having(merges=[["a", "b"]]),
        {**FAST, "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]}},
    ],
    ids=["itself", "batching", "merges as pairs", "defaults left out"],
)
def test_what_changes_no_id_is_the_same(make_repo: MakeRepo, other: object) -> None:
    base, adapter = make_repo({"tokenizer.json": FAST}), make_repo({"tokenizer.json": other}, "a")
    assert same_tokenizer(base, adapter)


@pytest.mark.parametrize(
    "other",
    [
        having(vocab={"a": 1, "b": 0}),
        having(merges=["b a"]),
        having(byte_fallback=True),
        having(unk_id=0),
        {**FAST, "added_tokens": [*FAST["added_tokens"], {"id": 3, "content": "<pad>"}]},
        {**FAST, "normalizer": None},
        {**FAST, "pre_tokenizer": None},
        {**FAST, "post_processor": {"type": "TemplateProcessing"}},
        {**FAST, "decoder": None},
    ],
)
def test_what_changes_an_id_is_another(make_repo: MakeRepo, other: object) -> None:
    base, adapter = make_repo({"tokenizer.json": FAST}), make_repo({"tokenizer.json": other}, "a")
    assert not same_tokenizer(base, adapter)


DECODER = {"added_tokens_decoder": {"2": {"content": "</s>"}}}


@pytest.mark.parametrize(
    ("base", "adapter", "same"),
    [
        ({"spiece.model": b"x"}, {"spiece.model": b"x"}, True),
        ({"spiece.model": b"x"}, {"spiece.model": b"y"}, False),
        ({"spiece.model": b"x", "tokenizer.json": FAST}, {"spiece.model": b"x"}, True),
        ({"tokenizer.json": FAST}, {"spiece.model": b"x"}, False),
        ({"vocab.txt": "a"}, {"vocab.txt": "a", "added_tokens.json": {"<x>": 9}}, False),
        (
            {"vocab.txt": "a", "added_tokens.json": {"<x>": 9}},
            {"vocab.txt": "a", "added_tokens.json": {"<x>": 9}},
            True,
        ),
        (
            {"vocab.txt": "a", "tokenizer.json": FAST},
            {"vocab.txt": "a", "tokenizer_config.json": DECODER},
            True,
        ),
    ],
    ids=["equal", "unequal", "slow and fast", "nothing common", "grown", "both grown", "specials"],
)
def test_without_two_fast_ones_the_vocabularies_decide(
    make_repo: MakeRepo, base: Files, adapter: Files, same: bool
) -> None:
    assert same_tokenizer(make_repo(base), make_repo(adapter, "a")) is same


@pytest.mark.parametrize(
    "files",
    [
        {"tokenizer.json": "{"},
        {"tokenizer.json": {"model": []}},
        {"vocab.txt": "a", "tokenizer_config.json": {"added_tokens_decoder": {"x": {}}}},
    ],
)
def test_a_broken_tokenizer_is_corrupt(make_repo: MakeRepo, files: Files) -> None:
    base = make_repo({"tokenizer.json": FAST, "vocab.txt": "a"})
    with pytest.raises(Corrupt, match="tokenizer"):
        same_tokenizer(base, make_repo(files, "a"))


def declared(make_repo: MakeRepo, base: Files, adapter: Files) -> dict[tuple[str, str], object]:
    found = declared_differences(make_repo(base), make_repo(adapter, "a"))
    return {(a.file, a.key): a.value for a in found}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("eos_token", "<end>"),
        ("pad_token", {"content": "<pad>", "lstrip": False}),
        ("padding_side", "left"),
        ("truncation_side", "left"),
        ("model_max_length", 256),
    ],
)
def test_a_declared_difference_is_taken_over(make_repo: MakeRepo, key: str, value: object) -> None:
    base = {"tokenizer_config.json": {"eos_token": "</s>", "model_max_length": 512}}
    found = declared(make_repo, base, {"tokenizer_config.json": {key: value}})
    assert found == {("tokenizer_config.json", key): value}


@pytest.mark.parametrize(
    "theirs",
    [
        {},
        {"eos_token": None},
        {"eos_token": {"content": "</s>", "lstrip": False}},
        {"model_max_length": 1000000000000000019884624838656},
        {"tokenizer_class": "Other", "add_bos_token": True},
    ],
    ids=["silent", "null", "same text", "no limit", "not declared"],
)
def test_what_says_nothing_changes_nothing(make_repo: MakeRepo, theirs: object) -> None:
    base = {"tokenizer_config.json": {"eos_token": "</s>", "model_max_length": 512}}
    assert declared(make_repo, base, {"tokenizer_config.json": theirs}) == {}


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("</s>", "<end>"),
        ({"content": "</s>", "lstrip": True}, {"content": "<end>", "lstrip": True}),
    ],
)
def test_the_special_tokens_map_follows_in_its_own_form(
    make_repo: MakeRepo, named: object, expected: object
) -> None:
    base = {
        "tokenizer_config.json": {"eos_token": "</s>"},
        "special_tokens_map.json": {"eos_token": named},
    }
    theirs = {"tokenizer_config.json": {"eos_token": "<end>", "pad_token": "<pad>"}}
    found = declared(make_repo, base, theirs)
    assert found["special_tokens_map.json", "eos_token"] == expected
    assert ("special_tokens_map.json", "pad_token") not in found


@pytest.mark.parametrize("name", ["tokenizer.model.v3", "qwen.tiktoken", "sentencepiece.bpe.model"])
def test_vocabularies_are_known_by_name(name: str) -> None:
    assert is_vocabulary(name)
    assert not is_vocabulary(f"original/{name}")
