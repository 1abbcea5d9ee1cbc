from __future__ import annotations

import json

import pytest

from adapter_merge.layouts.families import (
    MODULES,
    PROCESSOR,
    TOKENIZER,
    Family,
    choose,
)
from tests.layouts.tiny import Files, MakeRepo


def modules(*paths_and_kinds: tuple[str, str]) -> list[dict[str, str]]:
    return [{"path": p, "type": f"sentence_transformers.models.{k}"} for p, k in paths_and_kinds]


POOLED = modules(("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))


@pytest.mark.parametrize(
    ("family", "files", "lack"),
    [
        (TOKENIZER, {"tokenizer_config.json": {}}, "vocabulary"),
        (TOKENIZER, {"tokenizer_config.json": {}, "spiece.model": b"x"}, None),
        (PROCESSOR, {"processor_config.json": {"processor_class": "X"}}, "images"),
        (PROCESSOR, {"processor_config.json": {"image_processor": {"size": 1}}}, None),
        (PROCESSOR, {"preprocessor_config.json": {}}, None),
        (MODULES, {"config_sentence_transformers.json": {}}, "modules.json"),
        (MODULES, {"modules.json": POOLED}, None),
    ],
)
def test_an_incomplete_family_says_what_it_lacks(
    make_repo: MakeRepo, family: Family, files: Files, lack: str | None
) -> None:
    found = family.lacks(make_repo(files, "a"))
    assert found is None if lack is None else lack in (found or "")


def test_the_last_complete_adapter_decides(make_repo: MakeRepo) -> None:
    base = make_repo({"vocab.txt": "a"})
    first, second = make_repo({"vocab.txt": "b"}, "1"), make_repo({"vocab.txt": "c"}, "2")
    third = make_repo({"tokenizer_config.json": {}}, "3")
    choice = choose(TOKENIZER, base, (first, second, third))
    assert choice.winner is second
    assert "`2` is used" in choice.why_not(base)
    assert "`2` is used" in choice.why_not(first)
    assert "can't be used" in choice.why_not(third)


def test_the_base_stays_where_the_last_adapter_means_the_same(make_repo: MakeRepo) -> None:
    base = make_repo({"vocab.txt": "a"})
    other, same = make_repo({"vocab.txt": "b"}, "1"), make_repo({"vocab.txt": "a"}, "2")
    choice = choose(TOKENIZER, base, (other, same))
    assert choice.winner is base
    assert choice.equal is same
    assert "same as the base's" in choice.why_not(same)


def test_modules_are_the_same_only_with_their_folders(make_repo: MakeRepo) -> None:
    base = make_repo({"modules.json": POOLED, "1_Pooling/config.json": {"mode": "mean"}})
    spaced = json.dumps(POOLED, indent=4)
    same = make_repo({"modules.json": spaced, "1_Pooling/config.json": {"mode": "mean"}}, "1")
    other = make_repo({"modules.json": POOLED, "1_Pooling/config.json": {"mode": "cls"}}, "2")
    assert choose(MODULES, base, (same,)).winner is base
    assert choose(MODULES, base, (other,)).winner is other
