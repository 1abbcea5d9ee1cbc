"""Vocabularies: grown by an adapter, padded, cut, and single tokens that were trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import save_file

from adapter_merge.finding import Outcome
from tests.contract.logits import PAIRED, Model, assert_same_outputs, merge
from tests.contract.makers import (
    bart,
    bert,
    change_config,
    change_tensors,
    gemma,
    gemma_vision,
    gpt2,
    instruct_blip,
    llama,
    marian,
    save_adapter,
    t5,
    tensors_of,
)
from tests.contract.oracle import ours
from tests.contract.test_tied import flags, receipt

EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"
Q: Mapping[str, object] = {"target_modules": ["q_proj"]}
TIED = Model(build=partial(llama, tie_word_embeddings=True))
FREE = Model(build=llama)
GEMMA = Model(build=gemma)
VISION = Model(build=gemma_vision, auto="AutoModelForImageTextToText")
GPT2 = Model(build=gpt2)
T5 = Model(build=t5, auto="AutoModelForSeq2SeqLM", inputs=PAIRED)
BART = Model(build=bart, auto="AutoModelForSeq2SeqLM", inputs=PAIRED)
BERT = Model(build=partial(bert, "BertForMaskedLM"), auto="AutoModelForMaskedLM")

GROWN: Mapping[str, tuple[Model, Mapping[str, object], bool]] = {
    "tied, saved because it grew": (TIED, Q, True),
    "tied, a LoRA on the embedding": (TIED, {"target_modules": ["embed_tokens"]}, False),
    "tied, a LoRA on the head": (TIED, {"target_modules": ["lm_head"]}, False),
    "tied, a LoRA on both": (TIED, {"target_modules": ["embed_tokens", "lm_head"]}, False),
    "tied, a LoRA that ties both": (
        TIED,
        {"target_modules": ["embed_tokens"], "ensure_weight_tying": True},
        True,
    ),
    "tied, the embedding trained whole": (TIED, {**Q, "modules_to_save": ["embed_tokens"]}, False),
    "tied, the head trained whole": (TIED, {**Q, "modules_to_save": ["lm_head"]}, False),
    "tied, both trained whole": (
        TIED,
        {**Q, "modules_to_save": ["embed_tokens", "lm_head"]},
        False,
    ),
    "tied, both trained whole as one": (
        TIED,
        {**Q, "modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
        True,
    ),
    "tied, single tokens": (TIED, {**Q, "trainable_token_indices": [1, 96, 100]}, True),
    "tied, single tokens of the head": (
        TIED,
        {**Q, "trainable_token_indices": {"lm_head": [1, 96]}},
        False,
    ),
    "apart, saved because it grew": (FREE, Q, True),
    "apart, a LoRA on both": (FREE, {"target_modules": ["embed_tokens", "lm_head"]}, True),
    "apart, single tokens": (FREE, {**Q, "trainable_token_indices": [1, 96, 100]}, True),
    "gemma": (GEMMA, Q, True),
    "gpt2": (GPT2, {"target_modules": ["c_fc"]}, True),
    "gpt2, a LoRA on the embedding": (GPT2, {"target_modules": ["wte"]}, False),
    "t5": (T5, {"target_modules": ["q"]}, True),
}


@pytest.mark.parametrize(("model", "lora", "kept"), GROWN.values(), ids=GROWN.keys())
def test_a_vocabulary_that_grew(
    model: Model, lora: Mapping[str, object], kept: bool, tmp_path: Path
) -> None:
    merged = merge(model, lora, tmp_path, rows=101)
    assert_same_outputs(merged)
    assert json.loads((merged.out / "config.json").read_text())["vocab_size"] == 101
    changes = {c["subject"]: (c["before"], c["after"]) for c in receipt(merged)["changes"]}
    assert changes["config.json: vocab_size"][1] == 101
    assert ("config.json: tie_word_embeddings" in changes) != kept
    assert merged.added == (set() if kept else {HEAD})


CANNOT_GROW: Mapping[str, tuple[Model, Mapping[str, object], str, str]] = {
    "a bias has one value a token": (
        BERT,
        {"target_modules": ["query"], "modules_to_save": ["word_embeddings", "decoder"]},
        "ShapeMismatch",
        "not `cls.predictions.bias`",
    ),
    "a buffer has one": (BART, Q, "ShapeMismatch", "not `final_logits_bias`"),
}


@pytest.mark.parametrize(
    ("model", "lora", "kind", "word"), CANNOT_GROW.values(), ids=CANNOT_GROW.keys()
)
def test_a_vocabulary_that_grew_in_part(
    model: Model, lora: Mapping[str, object], kind: str, word: str, tmp_path: Path
) -> None:
    error = merge(model, lora, tmp_path, rows=101).report.error
    assert error is not None
    assert (error.type, error.code) == (kind, 5)
    assert word in error.message


TOKENS: Mapping[str, tuple[Model, object, bool]] = {
    "tied": (TIED, [1, 5, 90], True),
    "tied, by name": (TIED, {"embed_tokens": [1, 5, 90]}, True),
    "tied, the head": (TIED, {"lm_head": [1, 5, 90]}, False),
    "tied, the same of both": (TIED, {"embed_tokens": [1, 5], "lm_head": [1, 5]}, True),
    "tied, others of the head": (TIED, {"embed_tokens": [1, 5], "lm_head": [1, 6]}, False),
    "apart": (FREE, [1, 5, 90], True),
    "apart, both": (FREE, {"embed_tokens": [1, 5], "lm_head": [1, 6]}, True),
    "gemma": (GEMMA, [1, 5, 90], True),
    "gemma with images": (VISION, [1, 5], True),
    "gpt2": (GPT2, {"wte": [1, 5]}, True),
    "t5": (T5, {"shared": [1, 5]}, True),
    "bart": (BART, {"shared": [1, 5]}, True),
}


@pytest.mark.parametrize(("model", "tokens", "kept"), TOKENS.values(), ids=TOKENS.keys())
def test_single_tokens_beside_a_lora(
    model: Model, tokens: object, kept: bool, tmp_path: Path
) -> None:
    layers = ["q_proj", "c_fc", "q"]
    lora = {"target_modules": layers, "trainable_token_indices": tokens}
    merged = merge(model, lora, tmp_path)
    assert_same_outputs(merged)
    assert merged.added == (set() if kept else {HEAD})
    if kept:
        assert flags(merged.out) == flags(merged.base)


ALONE: Mapping[str, tuple[Model, Mapping[str, object], int | None, bool]] = {
    "tied": (TIED, {}, None, True),
    "tied, the head": (TIED, {"target_modules": ["lm_head"]}, None, False),
    "apart": (FREE, {}, None, True),
    "apart, the head": (FREE, {"target_modules": ["lm_head"]}, None, True),
    "tied and grown": (TIED, {}, 101, True),
    "tied and grown, the head": (TIED, {"target_modules": ["lm_head"]}, 101, False),
    "gemma": (GEMMA, {}, None, True),
}


@pytest.mark.parametrize(("model", "options", "rows", "kept"), ALONE.values(), ids=ALONE.keys())
def test_an_adapter_of_single_tokens(
    model: Model, options: Mapping[str, object], rows: int | None, kept: bool, tmp_path: Path
) -> None:
    config = peft.TrainableTokensConfig(token_indices=[2, 7, 95], **options)
    merged = merge(model, config, tmp_path, rows=rows)
    assert_same_outputs(merged)
    assert merged.added == (set() if kept else {HEAD})


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_other_rows_stay_as_they_were(dtype: str, tmp_path: Path) -> None:
    base = TIED.base(tmp_path / "base", dtype=dtype, shard="40KB")
    adapter = save_adapter(
        TIED.loaded(base), tmp_path / "adapter", {**Q, "trainable_token_indices": [3, 95]}
    )
    assert ours(base, {adapter: 1.0}, tmp_path / "out").status == "merged"
    found, before = tensors_of(tmp_path / "out")[EMBED], tensors_of(base)[EMBED]
    assert torch.nonzero((found != before).any(dim=1)).flatten().tolist() == [3, 95]


BROKEN: Mapping[str, tuple[object, str, int]] = {
    "no row": ([1, 96], "ShapeMismatch", 5),
    "another number of rows": ([1, 2, 3], "ShapeMismatch", 5),
    "a row twice": ([1, 1], "Corrupt", 3),
    "no numbers": ("embed_tokens", "Corrupt", 3),
    "a row below zero": ([1, -1], "Corrupt", 3),
    "none": (None, "Corrupt", 3),
}


@pytest.mark.parametrize(("tokens", "kind", "code"), BROKEN.values(), ids=BROKEN.keys())
def test_tokens_that_can_t_be_told(tokens: object, kind: str, code: int, tmp_path: Path) -> None:
    base = TIED.base(tmp_path / "base")
    lora = {**Q, "trainable_token_indices": [1, 5]}
    adapter = save_adapter(TIED.loaded(base), tmp_path / "adapter", lora)
    change_config(adapter, trainable_token_indices=tokens)
    error = ours(base, {adapter: 1.0}, tmp_path / "out").error
    assert error is not None
    assert (error.type, error.code) == (kind, code)


@pytest.mark.parametrize(("module", "merges"), [("shared", False), ("lm_head", True)])
def test_tokens_of_a_t5_whose_head_is_its_own(module: str, merges: bool, tmp_path: Path) -> None:
    base = T5.base(tmp_path / "base")
    head = torch.randn(64, 32, generator=torch.Generator().manual_seed(3))
    change_weights(base, {HEAD: head})
    change_config(base, tie_word_embeddings=False, scale_decoder_outputs=False)
    lora = {"target_modules": ["q"], "trainable_token_indices": {module: [1, 5]}}
    merged = merge(T5, lora, tmp_path, base=base)
    if merges:
        assert_same_outputs(merged)
        return
    error = merged.report.error
    assert error is not None
    assert (error.type, error.code) == ("AdapterKind", 4)
    assert "`lm_head.weight` too depends on the transformers" in error.message


def _asked() -> dict[str, torch.Tensor]:
    ids = torch.arange(20)[None]
    sight = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    places = torch.full((1, 4), 90)
    return {
        "input_ids": torch.cat([places, ids], 1),
        "qformer_input_ids": ids,
        "pixel_values": sight,
    }


@pytest.mark.parametrize("more", [{}, {"trainable_token_indices": [4, 9]}], ids=["LoRA", "tokens"])
def test_an_embedding_beside_the_text_s(more: Mapping[str, object], tmp_path: Path) -> None:
    model = Model(build=instruct_blip, auto="InstructBlipForConditionalGeneration", inputs=_asked)
    assert_same_outputs(merge(model, {"target_modules": ["q_proj", "v_proj"], **more}, tmp_path))


@pytest.mark.parametrize(("module", "merges"), [("shared", False), ("lm_head", True)])
def test_tokens_of_a_marian(module: str, merges: bool, tmp_path: Path) -> None:
    model = Model(build=marian, auto="AutoModelForSeq2SeqLM", inputs=PAIRED)
    merged = merge(model, {**Q, "trainable_token_indices": {module: [4, 9]}}, tmp_path)
    if merges:
        assert_same_outputs(merged)
        return
    assert merged.report.error is not None
    assert "encoder's embedding" in merged.report.error.message


def change_weights(base: Path, added: Mapping[str, torch.Tensor]) -> None:
    """Write a base's file anew, with more tensors."""
    save_file({**tensors_of(base), **added}, base / "model.safetensors", metadata={"format": "pt"})


def test_rows_that_were_made_and_not_saved(tmp_path: Path) -> None:
    base = TIED.base(tmp_path / "base")
    lora = {**Q, "trainable_token_indices": [1, 100]}
    adapter = save_adapter(TIED.loaded(base, 101), tmp_path / "adapter", lora)
    change_tensors(adapter, lambda ts: {n: t for n, t in ts.items() if "base_layer" not in n})
    error = ours(base, {adapter: 1.0}, tmp_path / "out").error
    assert error is not None
    assert (error.type, error.code) == ("ShapeMismatch", 5)
    assert "wasn't saved" in error.message


def test_a_saved_vocabulary_that_is_smaller_is_refused_as_peft_does(tmp_path: Path) -> None:
    base = TIED.base(tmp_path / "base")
    adapter = save_adapter(TIED.loaded(base, 90), tmp_path / "adapter", Q)
    with pytest.raises(RuntimeError, match="size mismatch"):
        peft.PeftModel.from_pretrained(TIED.loaded(base), adapter)
    error = ours(base, {adapter: 1.0}, tmp_path / "out").error
    assert error is not None
    assert (error.type, error.code) == ("ShapeMismatch", 5)
    assert "never cut" in error.message


def write_tokenizer(folder: Path, tokens: int) -> None:
    """A tokenizer of that many words."""
    model = {
        "type": "WordLevel",
        "vocab": {f"w{n}": n for n in range(tokens)},
        "unk_token": "w0",
    }
    content = {"version": "1.0", "added_tokens": [], "model": model}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"})
    )


def outcome(report_of: Path, adapter: Path, base: Path, code: str) -> set[Outcome]:
    report = ours(base, {adapter: 1.0}, report_of)
    return {f.outcome for f in report.findings if f.code == code}


def test_a_padded_vocabulary_stays_padded(tmp_path: Path) -> None:
    base = TIED.base(tmp_path / "base")
    write_tokenizer(base, 91)
    adapter = save_adapter(TIED.loaded(base), tmp_path / "adapter", Q)
    write_tokenizer(adapter, 93)
    assert outcome(tmp_path / "out", adapter, base, "F006") == {Outcome.PASS}
    assert tensors_of(tmp_path / "out")[EMBED].shape[0] == 96


@pytest.mark.parametrize(("tokens", "outcomes"), [(101, {Outcome.PASS}), (102, {Outcome.FAIL})])
def test_added_tokens_have_rows(tokens: int, outcomes: set[Outcome], tmp_path: Path) -> None:
    base = TIED.base(tmp_path / "base")
    write_tokenizer(base, 96)
    adapter = save_adapter(TIED.loaded(base, 101), tmp_path / "adapter", Q)
    write_tokenizer(adapter, tokens)
    assert outcome(tmp_path / "out", adapter, base, "F006") == outcomes


def test_two_adapters_with_tokens_of_their_own(tmp_path: Path) -> None:
    base = TIED.base(tmp_path / "base")
    one, two, same = (
        save_adapter(
            TIED.loaded(base), tmp_path / str(n), {**Q, "trainable_token_indices": tokens}, seed=n
        )
        for n, tokens in enumerate(([1, 5], [6], [5]))
    )
    assert ours(base, {one: 1.0, two: 1.0}, tmp_path / "out").status == "merged"
    found, before = tensors_of(tmp_path / "out")[EMBED], tensors_of(base)[EMBED]
    assert torch.nonzero((found != before).any(dim=1)).flatten().tolist() == [1, 5, 6]
    error = ours(base, {one: 1.0, same: 1.0}, tmp_path / "again").error
    assert error is not None
    assert (error.type, error.code) == ("AdapterKind", 4)
    assert "the token 5" in error.message


def test_an_adapter_of_tokens_holds_nothing_else(tmp_path: Path) -> None:
    base = TIED.base(tmp_path / "base")
    config = peft.TrainableTokensConfig(token_indices=[2, 7])
    adapter = save_adapter(TIED.loaded(base), tmp_path / "adapter", config)
    change_tensors(adapter, lambda ts: {**ts, "base_model.model.x.weight": torch.ones(1)})
    error = ours(base, {adapter: 1.0}, tmp_path / "out").error
    assert error is not None
    assert (error.type, error.code) == ("Unclaimed", 5)
    save_file({}, adapter / "adapter_model.safetensors")
    error = ours(base, {adapter: 1.0}, tmp_path / "out").error
    assert error is not None
    assert (error.type, error.code) == ("Corrupt", 3)
