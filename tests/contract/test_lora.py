"""Merges from files give the bits that PEFT gives, for every form of LoRA and every kind of layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from adapter_merge.finding import Outcome
from tests.build import OUTPUTS, of_the_merge
from tests.contract.makers import (
    METADATA,
    Build,
    Tensors,
    bert,
    change_config,
    distilbert,
    gpt2,
    headers_of,
    llama,
    loaded,
    metadata_of,
    save_adapter,
    save_base,
    t5,
    tensors_of,
    video_mae,
    vit,
    whisper,
)
from tests.contract.methods import PEFT
from tests.contract.oracle import differing, merged_by_peft, ours, rounded_once, with_adapters

CAUSAL, SEQUENCE, TOKEN = (
    "AutoModelForCausalLM",
    "AutoModelForSequenceClassification",
    "AutoModelForTokenClassification",
)
# F005 compares the config with an embedding, F006 a tokenizer with it.
NO_TOKENIZER, NO_TOKENS = OUTPUTS | {"F006"}, OUTPUTS | {"F005", "F006"}
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A base, one or more adapters for it, and what has to come out.

    `edited` counts tensors; `once` takes the sum of PEFT's deltas as the oracle for adapted weights;
    `prefix` is what the names of the base's file leave out; `spare` are tensors of the base that the
    class of the merged model doesn't know; `config` is written over the adapter's config;
    all checks but the `skipped` ones pass.
    """

    model: Build
    auto: str
    loras: tuple[Mapping[str, object], ...]
    edited: int
    weights: tuple[float, ...] = (1.0, 1.0)
    base_dtype: str = "fp32"
    adapter_dtype: str = "fp32"
    shard: str = "5GB"
    once: bool = False
    load: Mapping[str, object] = field(default_factory=dict)
    prefix: str = ""
    spare: str = "nothing"
    added: tuple[str, ...] = ()
    config: Mapping[str, object] = field(default_factory=dict)
    skipped: frozenset[str] = NO_TOKENIZER


def causal(*loras: Mapping[str, object], edited: int, model: Build = llama, **more: object) -> Case:
    return Case(model=model, auto=CAUSAL, loras=loras, edited=edited, **more)  # type: ignore[arg-type]


def on(*targets: str, **more: object) -> dict[str, object]:
    return {"target_modules": list(targets), **more}


SEQ: dict[str, object] = {"task_type": "SEQ_CLS"}
HEAD = ("classifier.bias", "classifier.weight")
DEEP_HEAD = (*HEAD, "pre_classifier.bias", "pre_classifier.weight")
Q_AND_V = on("q_proj", "v_proj")
PATTERNS = on(
    *LINEAR,
    rank_pattern={"k_proj": 3, r"layers\.1\.mlp\.up_proj": 33},
    alpha_pattern={"q_proj": 7, "1.self_attn.v_proj": 5},
)

CASES: Mapping[str, Case] = {
    "llama": causal(on(*LINEAR), edited=14),
    "llama in bf16": causal(on(*LINEAR), edited=14, base_dtype="bf16"),
    "llama in fp16": causal(on(*LINEAR), edited=14, base_dtype="fp16"),
    "llama in fp64": causal(on(*LINEAR), edited=14, base_dtype="fp64"),
    "an adapter in bf16 on fp32": causal(on(*LINEAR), edited=14, adapter_dtype="bf16"),
    "an adapter in fp16 on bf16": causal(
        on(*LINEAR), edited=14, adapter_dtype="fp16", base_dtype="bf16"
    ),
    "an adapter in bf16 on bf16": causal(
        on(*LINEAR), edited=14, adapter_dtype="bf16", base_dtype="bf16"
    ),
    "an adapter in fp64 on fp64": causal(
        on(*LINEAR), edited=14, adapter_dtype="fp64", base_dtype="fp64"
    ),
    "shards": causal(on(*LINEAR), edited=14, base_dtype="bf16", shard="40KB"),
    "patterns": causal(PATTERNS, edited=14),
    "patterns with rsLoRA": causal({**PATTERNS, "use_rslora": True}, edited=14),
    "rsLoRA": causal(on(*LINEAR, r=5, lora_alpha=9, use_rslora=True), edited=14),
    "one layer": causal(on("q_proj", layers_to_transform=[1]), edited=1),
    "one layer by its pattern": causal(
        on("q_proj", layers_to_transform=[0], layers_pattern="layers"), edited=1
    ),
    "a regex": causal({"target_modules": r".*layers\.1\.(mlp|self_attn)\.(up|q)_proj"}, edited=2),
    "all linear layers": causal({"target_modules": "all-linear"}, edited=14),
    "all but some": causal(on(*LINEAR, exclude_modules=["up_proj"]), edited=12),
    # As PEFT takes it, a name ends with a saved one: all five norms are saved.
    "saved modules": causal(on("q_proj", modules_to_save=["lm_head", "norm"]), edited=8),
    "saved modules in bf16": causal(
        on("q_proj", modules_to_save=["embed_tokens", "lm_head"]), edited=4, base_dtype="bf16"
    ),
    "the embedding": causal(on("embed_tokens", "q_proj"), edited=3),
    "the embedding in bf16": causal(
        on("embed_tokens", "q_proj"), edited=3, base_dtype="bf16", once=True
    ),
    "the embedding and the head": causal(
        on("embed_tokens", "lm_head", "q_proj", use_rslora=True), edited=4
    ),
    # 10 MB a tensor: more than one chunk, each of many blocks, by several threads.
    "tables of several chunks": causal(
        on("embed_tokens", "lm_head", "q_proj"), edited=4, model=partial(llama, vocab_size=53_003)
    ),
    "a weight": causal(Q_AND_V, edited=4, weights=(0.3,)),
    "a negative weight with rsLoRA": causal(
        on("q_proj", use_rslora=True), edited=2, weights=(-1.7,)
    ),
    "two adapters": causal(Q_AND_V, on("v_proj", "o_proj", r=4), edited=6, weights=(0.7, -0.4)),
    "two adapters in bf16": causal(
        Q_AND_V, on("v_proj", "o_proj", r=4), edited=6, base_dtype="bf16", once=True
    ),
    "two adapters in fp64": causal(
        on("q_proj", "v_proj", r=6, lora_alpha=7),
        on("v_proj", "o_proj", r=4),
        edited=6,
        base_dtype="fp64",
        weights=(0.7, -0.4),
    ),
    "lora_bias": causal(
        on("q_proj", "o_proj", lora_bias=True),
        edited=8,
        model=partial(llama, attention_bias=True),
    ),
    "lora_bias in bf16": causal(
        on("q_proj", "o_proj", lora_bias=True),
        edited=8,
        model=partial(llama, attention_bias=True),
        base_dtype="bf16",
    ),
    "gpt2": causal(on("c_attn", "c_proj", "c_fc", fan_in_fan_out=True), edited=8, model=gpt2),
    "gpt2 in bf16": causal(
        on("c_attn", "c_proj", "c_fc", fan_in_fan_out=True),
        edited=8,
        model=gpt2,
        base_dtype="bf16",
    ),
    "gpt2 without fan_in_fan_out": causal(
        on("c_attn", "c_proj", "c_fc"), edited=8, model=gpt2, config={"fan_in_fan_out": False}
    ),
    "gpt2 without prefix": causal(
        on("c_attn", "c_proj", "c_fc", fan_in_fan_out=True),
        edited=8,
        model=partial(gpt2, head=False),
        prefix="transformer.",
    ),
    "bert with a head": Case(
        model=bert,
        auto=SEQUENCE,
        loras=(on("query", "value", **SEQ),),
        edited=6,
        load={"num_labels": 3},
        prefix="bert.",
        added=HEAD,
    ),
    "bert with a head and all biases": Case(
        model=bert,
        auto=SEQUENCE,
        loras=(on("query", "dense", bias="all", **SEQ),),
        # Weights: query, three dense a layer, the pooler's dense; all biases of the model; the head.
        edited=9 + 18 + 2,
        load={"num_labels": 3},
        prefix="bert.",
        added=HEAD,
    ),
    "bert with biases of lora_only": Case(
        model=bert,
        auto=SEQUENCE,
        loras=(on("query", bias="lora_only", **SEQ),),
        edited=6 if PEFT >= (0, 21) else 4,  # before, the biases of such a base weren't saved
        prefix="bert.",
        added=HEAD,
    ),
    "bert with lora_bias": Case(
        model=bert,
        auto="AutoModel",
        loras=(on("query", lora_bias=True),),
        edited=4,
        base_dtype="fp16",
    ),
    "bert from a masked model": Case(
        model=partial(bert, "BertForMaskedLM"),
        auto=TOKEN,
        loras=(on("query", task_type="TOKEN_CLS"),),
        edited=4,
        load={"num_labels": 5},
        added=HEAD,
        spare="cls.",
    ),
    "distilbert with a deep head": Case(
        model=distilbert,
        auto=SEQUENCE,
        loras=(on("q_lin", "v_lin", **SEQ),),
        edited=8,
        prefix="distilbert.",
        added=DEEP_HEAD,
        config={"modules_to_save": None},
    ),
    "t5": Case(
        model=t5, auto="AutoModelForSeq2SeqLM", loras=(on("q", "v", "wi", "wo"),), edited=20
    ),
    "t5 in bf16": Case(
        model=t5,
        auto="AutoModelForSeq2SeqLM",
        loras=(on("q", "v", "wi", "wo"),),
        edited=20,
        base_dtype="bf16",
    ),
    "t5 in fp16, where wo is computed in fp32": Case(
        model=t5,
        auto="AutoModelForSeq2SeqLM",
        loras=(on("q", "v", "wi", "wo"),),
        edited=20,
        base_dtype="fp16",
        once=True,
    ),
    "a Conv1d": Case(
        model=whisper,
        auto="AutoModelForSpeechSeq2Seq",
        loras=(on("conv1", "conv2", "q_proj"),),
        edited=5,
    ),
    "a Conv2d": Case(
        model=vit,
        auto="AutoModelForImageClassification",
        loras=(on("projection", "classifier", use_rslora=True),),
        edited=2,
        skipped=NO_TOKENS,
    ),
    "a Conv2d with lora_bias in bf16": Case(
        model=vit,
        auto="AutoModelForImageClassification",
        loras=(on("projection", lora_bias=True),),
        edited=2,
        skipped=NO_TOKENS,
        base_dtype="bf16",
    ),
    "a Conv3d": Case(
        model=video_mae,
        auto="AutoModelForVideoClassification",
        loras=(on("projection"),),
        edited=1,
        skipped=NO_TOKENS,
    ),
    **{f"rank {r}": causal(on(*LINEAR, r=r), edited=14) for r in (1, 2, 3, 7, 16, 31, 64)},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_bits_are_those_of_peft(case: Case, tmp_path: Path) -> None:
    base = save_base(case.model(), tmp_path / "base", dtype=case.base_dtype, shard=case.shard)
    adapters = {_adapter(case, n, base, tmp_path): case.weights[n] for n in range(len(case.loras))}
    before, out = tensors_of(base), tmp_path / "out"

    report = ours(base, adapters, out)

    assert report.error is None
    assert report.status == "merged"
    found = tensors_of(out)
    model = with_adapters(loaded(base, case.auto, **case.load), adapters)
    once = rounded_once(model, before, len(adapters)) if case.once else {}
    expected = merged_by_peft(model, len(adapters), tmp_path / "peft") | once
    found_live = {_live(name, case): tensor for name, tensor in found.items()}
    assert differing(found_live, expected) == []
    assert {n for n in found_live if n not in expected and not n.startswith(case.spare)} == set()
    assert {n for n in expected if n not in found_live} == set()
    _assert_only_adapted_changed(case, before, found)
    assert report.counts["tensors_edited"] == case.edited
    assert report.counts["tensors_total"] == len(before) + len(case.added)
    assert report.counts["tensors_copied"] == len(found) - case.edited
    assert report.counts["adapter_tensors_used"] == report.counts["adapter_tensors_total"] > 0
    judged = of_the_merge(report.findings)
    others = {f.code: f.outcome for f in judged if f.outcome is not Outcome.PASS}
    assert others == dict.fromkeys(case.skipped, Outcome.SKIP)
    _assert_files(case, base, out)
    _assert_loads(case, out)


def _adapter(case: Case, number: int, base: Path, folder: Path) -> Path:
    made = save_adapter(
        loaded(base, case.auto, **case.load),
        folder / f"adapter{number}",
        case.loras[number],
        dtype=case.adapter_dtype,
        seed=number + 1,
    )
    change_config(made, **case.config)
    return made


def _live(name: str, case: Case) -> str:
    """A name of the base's file as the class has it, which PEFT's result was saved from."""
    return name if name in case.added else case.prefix + name


def _assert_only_adapted_changed(case: Case, before: Tensors, found: Tensors) -> None:
    same = {n for n in before if n not in differing({n: found[n]}, {n: before[n]})}
    assert len(before) - len(same) == case.edited - len(case.added)
    assert {n: t.dtype for n, t in before.items()} == {n: found[n].dtype for n in before}


def _assert_files(case: Case, base: Path, out: Path) -> None:
    assert all(metadata == METADATA for metadata in metadata_of(out))
    if not case.added:
        assert headers_of(out) == headers_of(base)
        assert (out / "config.json").read_bytes() == (base / "config.json").read_bytes()
    assert len(headers_of(out)) == len(headers_of(base))
    assert (len(headers_of(out)) > 2) == (case.shard != "5GB")
    assert not [path.name for path in out.iterdir() if path.name.startswith("adapter_")]
    assert not [name for name in tensors_of(out) if "lora" in name or "base_layer" in name]


def _assert_loads(case: Case, out: Path) -> None:
    _, info = loaded(out, case.auto, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["mismatched_keys"]
    assert not [name for name in info["unexpected_keys"] if not name.startswith(case.spare)]
