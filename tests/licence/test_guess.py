from __future__ import annotations

import pytest

from adapter_merge.licence.guess import guess
from tests.licence.cards import base, pinned


@pytest.mark.parametrize(
    ("source", "licence"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3.1"),
        ("./models/Meta-Llama-3-8B/", "llama3"),
        ("unsloth/llama-3.2-1b", "llama3.2"),
        ("meta-llama/Llama-2-7b-hf", "llama2"),
        ("org/Llama4-Scout", "llama4"),
        ("google/gemma-3-4b-it", "gemma"),
        ("google/paligemma-3b-pt-224", "gemma"),
    ],
)
def test_names_tell(source: str, licence: str) -> None:
    name = source.rstrip("/").rsplit("/", 1)[-1]
    assert guess(base(at=pinned(source))) == f"; by the name `{name}` it is probably `{licence}`"


@pytest.mark.parametrize(
    "source",
    [
        "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
        "openlm-research/open_llama_3b",
        "huggyllama/llama-7b",
        "google/gemma-4-27b-it",
        "meta-llama/other",
        "./base",
        "/",
    ],
)
def test_other_names_tell_nothing(source: str) -> None:
    assert guess(base(at=pinned(source))) == ""


def test_the_config_keeps_the_name_of_a_renamed_folder() -> None:
    config: dict[str, object] = {"_name_or_path": "meta-llama/Llama-3.3-70B", "model_type": "llama"}
    assert "`llama3.3`" in guess(base(config=config))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("gemma3_text", "it is probably `gemma`"),
        ("paligemma", "it is probably `gemma`"),
        ("mllama", "it may be one of Llama's"),
        ("llama", "it may be one of Llama's"),
    ],
)
def test_the_model_type_tells_less(kind: str, said: str) -> None:
    assert said in guess(base(config={"model_type": kind}))


@pytest.mark.parametrize("kind", ["gemma4", "qwen3", "", None, ["llama"], {}])
def test_other_model_types_tell_nothing(kind: object) -> None:
    assert guess(base(config={"model_type": kind, "_name_or_path": kind})) == ""
