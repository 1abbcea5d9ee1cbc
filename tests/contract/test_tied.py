"""Adapters on one of two tied tensors, or on both: the result computes what PEFT's unmerged model computes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_merge.report import ErrorRecord
from tests.contract.logits import (
    BOUND,
    PAIRED,
    SPOKEN,
    Merge,
    Model,
    assert_close,
    assert_same_outputs,
    merge,
)
from tests.contract.makers import (
    METADATA,
    bart,
    bert,
    change_config,
    change_tensors,
    gemma,
    gemma_vision,
    gpt2,
    llama,
    mamba,
    modern_bert,
    save_adapter,
    t5,
    tensors_of,
    whisper,
)
from tests.contract.oracle import ours, with_adapters

MASKED, SEQ2SEQ = "AutoModelForMaskedLM", "AutoModelForSeq2SeqLM"
INDEX = "model.safetensors.index.json"
EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"
Q = {"target_modules": ["q_proj"]}
LLAMA = Model(build=partial(llama, tie_word_embeddings=True))
GEMMA = Model(build=gemma)
VISION = Model(build=gemma_vision, auto="AutoModelForImageTextToText")
GPT2 = Model(build=gpt2)
BERT = Model(build=partial(bert, "BertForMaskedLM"), auto=MASKED)
MODERN = Model(build=modern_bert, auto=MASKED)
MAMBA = Model(build=mamba)
WHISPER = Model(build=whisper, auto="AutoModelForSpeechSeq2Seq", inputs=SPOKEN)
BART = Model(build=bart, auto=SEQ2SEQ, inputs=PAIRED)
T5 = Model(build=t5, auto=SEQ2SEQ, inputs=PAIRED)


def saved(*names: str, **more: object) -> dict[str, object]:
    return {"target_modules": ["q_proj"], "modules_to_save": list(names), **more}


def on(*names: str, **more: object) -> dict[str, object]:
    return {"target_modules": list(names), **more}


# What comes apart: the model, the adapter, and the tensors that the file gets.
APART: Mapping[str, tuple[Model, Mapping[str, object], set[str]]] = {
    "llama, the embedding": (LLAMA, on("embed_tokens"), {HEAD}),
    "llama, the head": (LLAMA, on("lm_head"), {HEAD}),
    "llama, both": (LLAMA, on("embed_tokens", "lm_head"), {HEAD}),
    "llama, the head and others": (LLAMA, on("lm_head", "q_proj"), {HEAD}),
    "llama, the saved embedding": (LLAMA, saved("embed_tokens"), {HEAD}),
    "llama, the saved head": (LLAMA, saved("lm_head"), {HEAD}),
    "llama, both saved": (LLAMA, saved("embed_tokens", "lm_head"), {HEAD}),
    "llama, a LoRA and a saved head": (
        LLAMA,
        {"target_modules": ["embed_tokens"], "modules_to_save": ["lm_head"]},
        {HEAD},
    ),
    "llama, both by a DoRA, whose tie is none": (
        LLAMA,
        on("embed_tokens", use_dora=True, ensure_weight_tying=True),
        {HEAD},
    ),
    "gemma, the embedding": (GEMMA, on("embed_tokens"), {HEAD}),
    "gemma, the head": (GEMMA, on("lm_head"), {HEAD}),
    "gemma, the saved embedding": (GEMMA, saved("embed_tokens"), {HEAD}),
    "gemma with images, the embedding": (VISION, on("embed_tokens"), {f"language_model.{HEAD}"}),
    "gemma with images, the head": (VISION, on("lm_head"), {f"language_model.{HEAD}"}),
    "gemma with images, the saved head": (VISION, saved("lm_head"), {f"language_model.{HEAD}"}),
    "gpt2, the embedding": (GPT2, on("wte"), {HEAD}),
    "gpt2, the head": (GPT2, on("lm_head"), {HEAD}),
    "gpt2, the saved head": (GPT2, {**on("c_fc"), "modules_to_save": ["lm_head"]}, {HEAD}),
    "gpt2, the saved embedding": (GPT2, {**on("c_fc"), "modules_to_save": ["wte"]}, {HEAD}),
    "bert, the embedding": (
        BERT,
        on("word_embeddings"),
        {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"},
    ),
    "bert, the head": (
        BERT,
        on("decoder"),
        {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"},
    ),
    "bert, the saved head and its bias": (
        BERT,
        {**on("query"), "modules_to_save": ["decoder"]},
        {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"},
    ),
    "modernbert, the embedding": (MODERN, on("tok_embeddings"), {"decoder.weight"}),
    "modernbert, the head": (MODERN, on("decoder"), {"decoder.weight"}),
    "mamba, the embedding": (MAMBA, on("embeddings", "x_proj"), {HEAD}),
    "whisper, the head": (WHISPER, on("proj_out"), {"proj_out.weight"}),
    "whisper, the embedding": (WHISPER, on("embed_tokens"), {"proj_out.weight"}),
    "bart, the head": (
        BART,
        on("lm_head"),
        {HEAD, "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"},
    ),
}


@pytest.mark.parametrize(("model", "lora", "added"), APART.values(), ids=APART.keys())
def test_what_comes_apart(
    model: Model, lora: Mapping[str, object], added: set[str], tmp_path: Path
) -> None:
    merged = merge(model, lora, tmp_path)
    assert_same_outputs(merged)
    assert merged.added == added
    assert set(flags(merged.out).values()) == {False}
    changes = {c["subject"]: c for c in receipt(merged)["changes"]}
    assert changes.keys() == {f"config.json: {key}" for key in flags(merged.out)}
    assert "apart" in changes["config.json: tie_word_embeddings"]["why"]


TIED_AGAIN: Mapping[str, tuple[Model, Mapping[str, object]]] = {
    "llama, the embedding": (LLAMA, on("embed_tokens", ensure_weight_tying=True)),
    "llama, the head": (LLAMA, on("lm_head", ensure_weight_tying=True)),
    "llama, both": (LLAMA, on("embed_tokens", "lm_head", ensure_weight_tying=True)),
    "llama, the saved embedding": (LLAMA, saved("embed_tokens", ensure_weight_tying=True)),
    "llama, the saved head": (LLAMA, saved("lm_head", ensure_weight_tying=True)),
    "llama, both saved": (LLAMA, saved("embed_tokens", "lm_head", ensure_weight_tying=True)),
    "gemma, the embedding": (GEMMA, on("embed_tokens", ensure_weight_tying=True)),
    "gemma, the saved embedding": (GEMMA, saved("embed_tokens", ensure_weight_tying=True)),
}


@pytest.mark.parametrize(("model", "lora"), TIED_AGAIN.values(), ids=TIED_AGAIN.keys())
def test_what_was_trained_tied_stays_tied(
    model: Model, lora: Mapping[str, object], tmp_path: Path
) -> None:
    merged = merge(model, lora, tmp_path)
    assert_same_outputs(merged)
    assert merged.added == set()
    assert (merged.out / "config.json").read_bytes() == (merged.base / "config.json").read_bytes()


def test_the_head_of_gpt2_that_peft_forgets_when_it_loads(tmp_path: Path) -> None:
    base = GPT2.base(tmp_path / "base")
    trained = GPT2.loaded(base)
    lora = on("lm_head", ensure_weight_tying=True)
    adapter = save_adapter(trained, tmp_path / "adapter", lora)
    assert "base_model.model.lm_head.lora_A.weight" in load_file(
        adapter / "adapter_model.safetensors"
    )
    assert ours(base, {adapter: 1.0}, tmp_path / "out").status == "merged"
    assert HEAD not in tensors_of(tmp_path / "out")
    found = GPT2.logits(GPT2.loaded(tmp_path / "out"))
    assert_close(found, GPT2.logits(trained), bound=BOUND)


def flags(folder: Path) -> dict[str, object]:
    """Every `tie_word_embeddings` of a config, by its keys."""

    def within(config: Mapping[str, Any], where: str) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in config.items():
            if key == "tie_word_embeddings":
                found[f"{where}{key}"] = value
            elif isinstance(value, dict):
                found |= within(value, f"{where}{key}.")
        return found

    return within(json.loads((folder / "config.json").read_text()), "")


def receipt(merged: Merge) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((merged.out / "merge_receipt.json").read_text())
    return value


def both_stored(base: Path) -> None:
    path = base / "model.safetensors"
    tensors = load_file(path)
    save_file(tensors | {HEAD: tensors[EMBED].clone()}, path, METADATA)


def head_stored(base: Path) -> None:
    path = base / "model.safetensors"
    tensors = load_file(path)
    tensors[HEAD] = tensors.pop(EMBED)
    save_file(tensors, path, METADATA)


@pytest.mark.parametrize("store", [both_stored, head_stored])
@pytest.mark.parametrize(
    "lora",
    [
        on("embed_tokens"),
        on("lm_head"),
        on("embed_tokens", ensure_weight_tying=True),
        saved("lm_head"),
        saved("embed_tokens", ensure_weight_tying=True),
        {**Q, "trainable_token_indices": [1, 5]},
    ],
    ids=["embedding", "head", "tied again", "saved head", "saved, tied again", "tokens"],
)
def test_a_base_that_stores_the_head(
    store: Callable[[Path], None], lora: Mapping[str, object], tmp_path: Path
) -> None:
    base = LLAMA.base(tmp_path / "base")
    store(base)
    merged = merge(LLAMA, lora, tmp_path, base=base)
    assert_same_outputs(merged)
    kept = lora.get("ensure_weight_tying") or "trainable_token_indices" in lora
    assert (flags(merged.out)["tie_word_embeddings"] is True) == bool(kept)
    if store is both_stored:
        assert merged.added == set()
        equal = torch.equal(merged.tensors[EMBED], merged.tensors[HEAD])
        assert equal == bool(kept)


@pytest.mark.parametrize("shard", [None, "25KB"])
@pytest.mark.parametrize("lora", [on("embed_tokens"), on("lm_head")], ids=["embedding", "head"])
def test_shards_take_the_new_tensor(
    lora: Mapping[str, object], shard: str | None, tmp_path: Path
) -> None:
    base = LLAMA.base(tmp_path / "base", shard="40KB")
    settings: dict[str, Any] = {} if shard is None else {"max_shard_size": shard}
    merged = merge(LLAMA, lora, tmp_path, base=base, **settings)
    assert_same_outputs(merged)
    index = json.loads((merged.out / INDEX).read_text())
    files = sorted(merged.out.glob("*.safetensors"))
    assert index["weight_map"] == {n: p.name for p in files for n in load_file(p)}
    assert HEAD in index["weight_map"]
    assert index["metadata"]["total_size"] == sum(t.nbytes for t in merged.tensors.values())
    sizes = {p: s["size"] for p, s in receipt(merged)["files"].items()}
    assert all(p.stat().st_size == sizes[p.name] for p in files)


@pytest.mark.parametrize(
    "lora", [on("embed_tokens", "lm_head"), saved("lm_head")], ids=["lora", "saved"]
)
def test_a_cast_rounds_once(lora: Mapping[str, object], tmp_path: Path) -> None:
    base = LLAMA.base(tmp_path / "base", dtype="bf16")
    wide = merge(LLAMA, lora, tmp_path, base=base, dtype="fp32")
    assert_same_outputs(wide)
    ours(base, {wide.adapter: 1.0}, tmp_path / "narrow")
    narrow = tensors_of(tmp_path / "narrow")
    for name, tensor in wide.tensors.items():
        assert torch.equal(narrow[name], tensor.to(torch.bfloat16))
    found = LLAMA.logits(LLAMA.loaded(tmp_path / "narrow"))
    assert_close(found, LLAMA.logits(LLAMA.loaded(wide.out)), bound=2**-6)


def test_two_adapters_of_which_one_ties(tmp_path: Path) -> None:
    base = LLAMA.base(tmp_path / "base")
    apart = save_adapter(LLAMA.loaded(base), tmp_path / "apart", on("lm_head", "q_proj"))
    tied = on("lm_head", ensure_weight_tying=True)
    again = save_adapter(LLAMA.loaded(base), tmp_path / "again", tied, seed=2)
    # The copy of the base's embedding that PEFT saves beside a LoRA on it: only one adapter can have it.
    change_tensors(apart, lambda ts: {n: t for n, t in ts.items() if ".base_layer." not in n})
    adapters = {again: 0.5, apart: 1.0}  # PEFT ties no head that has a LoRA already
    report = ours(base, adapters, tmp_path / "out")
    assert report.error is None
    model = with_adapters(LLAMA.loaded(base), adapters)
    model.base_model.set_adapter(["a", "b"])
    found = LLAMA.logits(LLAMA.loaded(tmp_path / "out"))
    assert_close(found, LLAMA.logits(model), bound=BOUND)
    assert HEAD in tensors_of(tmp_path / "out")


def test_two_copies_of_the_base_s_embedding_can_t_both_count(tmp_path: Path) -> None:
    base = LLAMA.base(tmp_path / "base")
    adapters = {
        save_adapter(LLAMA.loaded(base), tmp_path / name, on(name)): 1.0
        for name in ("lm_head", "embed_tokens")
    }
    report = ours(base, adapters, tmp_path / "out")
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("AdapterKind", 4)
    assert "both saved" in report.error.message


REFUSED: Mapping[str, tuple[Model, Mapping[str, object], str]] = {
    "t5, the head": (T5, on("lm_head"), "scales what goes into a tied head"),
    "t5, the saved head": (T5, {**on("q"), "modules_to_save": ["lm_head"]}, "scales"),
    "t5, the shared embedding": (T5, on("shared"), "which of them a forward pass reads"),
    "t5, the saved embedding": (T5, {**on("q"), "modules_to_save": ["shared"]}, "which of them"),
    "bart, the shared embedding": (BART, on("shared"), "which of them a forward pass reads"),
    "bert, single tokens of a head with a bias": (
        BERT,
        {**on("query"), "trainable_token_indices": {"word_embeddings": [1, 2]}},
        "PEFT leaves out the bias",
    ),
}


@pytest.mark.parametrize(("model", "lora", "word"), REFUSED.values(), ids=REFUSED.keys())
def test_what_can_t_be_proved_is_refused(
    model: Model, lora: Mapping[str, object], word: str, tmp_path: Path
) -> None:
    error = error_of(merge(model, lora, tmp_path))
    assert (error.type, error.code) == ("AdapterKind", 4)
    assert word in error.message


def error_of(merged: Merge) -> ErrorRecord:
    assert merged.report.error is not None
    assert not merged.out.exists()
    return merged.report.error


@pytest.mark.parametrize(
    ("model", "prefix", "head"),
    [(GPT2, "transformer.", "lm_head"), (BERT, "bert.", "decoder")],
    ids=["gpt2", "bert"],
)
def test_the_inner_model_s_file_has_no_place_for_a_head(
    model: Model, prefix: str, head: str, tmp_path: Path
) -> None:
    base = model.base(tmp_path / "base")
    path = base / "model.safetensors"
    inner = {n.removeprefix(prefix): t for n, t in load_file(path).items()}
    save_file(inner, path, METADATA)
    error = error_of(merge(model, on(head), tmp_path, base=base))
    assert (error.type, error.code) == ("AdapterKind", 4)
    assert "inner model" in error.message


def test_a_class_that_nobody_knows_can_t_be_asked(tmp_path: Path) -> None:
    base = LLAMA.base(tmp_path / "base")
    adapter = save_adapter(LLAMA.loaded(base), tmp_path / "adapter", on("lm_head"))
    change_config(base, model_type="of_next_year")
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("AdapterKind", 4)
    assert "of_next_year" in report.error.message


@pytest.mark.parametrize(
    "lora",
    [on("embed_tokens", ensure_weight_tying=True), saved("lm_head", ensure_weight_tying=True)],
    ids=["lora", "saved"],
)
def test_tied_halves_that_differ_are_refused(lora: Mapping[str, object], tmp_path: Path) -> None:
    base = LLAMA.base(tmp_path / "base")
    adapter = save_adapter(LLAMA.loaded(base), tmp_path / "adapter", lora)
    of_head = ("lm_head.lora_B.weight", "lm_head.weight")
    change_tensors(
        adapter, lambda ts: {n: t * 1.1 if n.endswith(of_head) else t for n, t in ts.items()}
    )
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("Corrupt", 3)
    assert "different values" in report.error.message
    assert not (tmp_path / "out").exists()
