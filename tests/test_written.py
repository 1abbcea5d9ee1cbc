"""Written bases as training tools leave them, and what each of them says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter_merge.written import read_written

SHA = "4e20de362430cd3b72f300e6b0f18e50e7166e08"


@pytest.mark.parametrize(
    ("text", "repo", "name", "path"),
    [
        ("meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.2-1B", "Llama-3.2-1B", False),
        ("org/name@main", "org/name", "name", False),
        ("hf://org/name", "org/name", "name", False),
        ("https://huggingface.co/org/name", "org/name", "name", False),
        ("org/model", "org/model", "model", False),
        # Words that the Hub keeps for its other kinds of repositories are no owners.
        ("spaces/name", None, "name", False),
        ("datasets/name", None, "name", False),
        # One word: the models that the Hub has without an owner, and folders that look like them.
        ("gpt2", "gpt2", "gpt2", False),
        ("distilbert-base-uncased", "distilbert-base-uncased", "distilbert-base-uncased", False),
        ("gemma3-270m-it", None, "gemma3-270m-it", False),
        # Paths: their last two parts, where the first of them can be an owner.
        ("/content/drive/models/meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.2-1B", "Llama-3.2-1B", True),
        ("./models/llama-3.2-3b-base", None, "llama-3.2-3b-base", True),
        ("models/Llama-3-8B-instruct", None, "Llama-3-8B-instruct", False),
        ("../models/Meta-Llama-3-8B-Instruct/", None, "Meta-Llama-3-8B-Instruct", True),
        ("/home/alice/Llama-3.2-1B", None, "Llama-3.2-1B", True),
        ("/data/Qwen/Qwen2.5-7B/final/checkpoint-500", "Qwen/Qwen2.5-7B", "Qwen2.5-7B", True),
        (r"C:\Users\me\models\Llama-3-8B", None, "Llama-3-8B", True),
        (r"D:\models\Qwen\Qwen2.5-7B", "Qwen/Qwen2.5-7B", "Qwen2.5-7B", True),
        # Caches.
        (f"/root/.cache/huggingface/hub/models--org--a-b/snapshots/{SHA}", "org/a-b", "a-b", False),
        (f"models--gpt2/snapshots/{SHA}", "gpt2", "gpt2", False),
        ("~/.cache/modelscope/hub/Qwen/Qwen2___5-7B", "Qwen/Qwen2.5-7B", "Qwen2.5-7B", True),
        ("/root/model/Shanghai_AI_Laboratory/internlm-chat-7b", None, "internlm-chat-7b", True),
    ],
)  # fmt: skip
def test_what_a_name_says(text: str, repo: str | None, name: str, path: bool) -> None:
    written = read_written(text)
    assert written is not None
    assert (written.repo, written.name, written.path, written.quantised) == (repo, name, path, "")
    assert written.plain == written


@pytest.mark.parametrize(
    "text",
    [None, "", " ", "None", "null", ".", "./", "../", "/", "C:\\", "unsloth_model", "models",
     "./output/checkpoint-500", "results/model", "/kaggle/working", "a b", "~", SHA, "--", "'\"'", "x" * 300],
)  # fmt: skip
def test_what_names_nothing(text: str | None) -> None:
    assert read_written(text) is None


@pytest.mark.parametrize(
    ("text", "ending", "plain"),
    [
        ("unsloth/Meta-Llama-3.1-8B-bnb-4bit", "-bnb-4bit", "unsloth/Meta-Llama-3.1-8B"),
        ("unsloth/llama-3.2-3b-unsloth-bnb-4bit", "-unsloth-bnb-4bit", "unsloth/llama-3.2-3b"),
        ("org/x-4bit", "-4bit", "org/x"),
        ("org/x-8bit", "-8bit", "org/x"),
        ("org/x-int4", "-int4", "org/x"),
        ("org/x-v2-INT8", "-INT8", "org/x-v2"),
        ("Qwen/Qwen3-8B-FP8", "-FP8", "Qwen/Qwen3-8B"),
        ("org/x-FP8-dynamic", "-FP8-dynamic", "org/x"),
        ("Qwen/Qwen2.5-7B-GPTQ-Int4", "-GPTQ-Int4", "Qwen/Qwen2.5-7B"),
        ("org/x-GPTQ-4bit-32g-actorder_True", "-GPTQ-4bit-32g-actorder_True", "org/x"),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "-AWQ", "Qwen/Qwen2.5-7B-Instruct"),
        ("/data/org/x-bnb-4bit", "-bnb-4bit", "org/x"),
        # They publish no unquantised models: who does can't be told.
        ("TheBloke/Llama-2-7B-GPTQ", "-GPTQ", None),
        ("mlx-community/Llama-3.2-1B-4bit", "-4bit", None),
        ("RedHatAI/Llama-3.1-8B-quantized.w4a16", "-quantized.w4a16", None),
    ],
)
def test_a_quantised_name_and_what_it_was_made_from(
    text: str, ending: str, plain: str | None
) -> None:
    written = read_written(text)
    assert written is not None
    assert written.quantised == ending
    assert written.plain.repo == plain
    assert written.plain.name == written.name.removesuffix(ending)
    assert written.plain.quantised == ""


@pytest.mark.parametrize(
    "text",
    ["org/Llama-4bit-finetuned", "openai/gpt-oss-20b", "org/x-BF16", "org/x-fp16", "org/int8-notes",
     "google/gemma-3-12b-it-qat-q4_0-unquantized", "org/awqward", "org/x-awqward"],
)  # fmt: skip
def test_what_only_looks_quantised(text: str) -> None:
    written = read_written(text)
    assert written is not None
    assert written.quantised == ""


PARTS = st.sampled_from(
    ["org", "x", "models--", "--", "/", "\\", "@", "-4bit", "-gptq", "..", "~", " "]
)


@given(st.one_of(st.text(), st.lists(PARTS).map("".join)))
def test_any_text_says_something_usable_or_nothing(text: str) -> None:
    written = read_written(text)
    if written is not None:
        for value in (written, written.plain):
            assert value.name
            assert "/" not in value.name
            assert value.repo is None or value.repo.rpartition("/")[2] == value.name


def test_long_names_are_read_in_no_time() -> None:
    for part in ("-gptq", "-4bit", "models--", "a/", "-unsloth"):
        read_written(part * 100_000 + "--b")
