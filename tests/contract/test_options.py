"""Other dtypes, other files, heads and vocabularies that grow: what the options and adapters declare."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from adapter_merge import assemble
from adapter_merge.request import Request
from tests.contract.makers import (
    DTYPES,
    METADATA,
    Build,
    Tensors,
    bart,
    bert,
    change_config,
    distilbert,
    gpt2,
    llama,
    loaded,
    metadata_of,
    save_adapter,
    save_base,
    tensors_of,
    vit,
)
from tests.contract.oracle import differing, merged_by_peft, ours, with_adapters

CAUSAL = "AutoModelForCausalLM"
INDEX = "model.safetensors.index.json"
Q_AND_MLP: Mapping[str, object] = {"target_modules": ["q_proj", "up_proj", "down_proj"]}


def json_of(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def declared(folder: Path) -> dict[str, tuple[object, object]]:
    """The declared changes in a receipt: subject -> before and after."""
    changes = json_of(folder / "merge_receipt.json")["changes"]
    return {c["subject"]: (c["before"], c["after"]) for c in changes}


def in_float32(base: Path, adapter: Path, folder: Path) -> Tensors:
    """PEFT's merge, all of it computed and kept in float32."""
    model = loaded(base, CAUSAL, dtype=torch.float32)
    return merged_by_peft(with_adapters(model, {adapter: 1.0}), 1, folder)


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("before", ["fp32", "bf16", "fp16"])
def test_a_dtype_is_rounded_to_once(before: str, dtype: str, tmp_path: Path) -> None:
    base = save_base(llama(), tmp_path / "base", dtype=before)
    adapter = save_adapter(loaded(base, CAUSAL), tmp_path / "adapter", Q_AND_MLP)
    report = ours(base, {adapter: 1.0}, tmp_path / "out", dtype=dtype)
    found = tensors_of(tmp_path / "out")
    assert report.status == "merged"
    assert {t.dtype for t in found.values()} == {DTYPES[dtype]}
    assert found.keys() == tensors_of(base).keys()
    assert differing(found, in_float32(base, adapter, tmp_path / "peft")) == []
    assert metadata_of(tmp_path / "out") == [METADATA]
    name = str(DTYPES[dtype]).removeprefix("torch.")
    assert json_of(tmp_path / "out" / "config.json")["dtype"] == name
    key = {"config.json: dtype": (str(DTYPES[before]).removeprefix("torch."), name)}
    assert declared(tmp_path / "out") == ({} if dtype == before else key)
    assert loaded(tmp_path / "out", CAUSAL).dtype == DTYPES[dtype]


def test_every_dtype_key_of_a_config_is_rewritten(tmp_path: Path) -> None:
    base = save_base(llama(), tmp_path / "base")
    adapter = save_adapter(loaded(base, CAUSAL), tmp_path / "adapter", Q_AND_MLP)
    change_config(base, torch_dtype="float32", text_config={"dtype": "float32", "rope_theta": 1.0})
    ours(base, {adapter: 1.0}, tmp_path / "out", dtype="bf16")
    config = json_of(tmp_path / "out" / "config.json")
    assert (config["dtype"], config["torch_dtype"]) == ("bfloat16", "bfloat16")
    assert config["text_config"] == {"dtype": "bfloat16", "rope_theta": 1.0}


@pytest.mark.parametrize("shard", ["5GB", "40KB"])
def test_a_shard_size_is_kept(shard: str, tmp_path: Path) -> None:
    base = save_base(llama(), tmp_path / "base", dtype="bf16", shard=shard)
    adapter = save_adapter(loaded(base, CAUSAL), tmp_path / "adapter", Q_AND_MLP)
    out, whole = tmp_path / "out", tmp_path / "whole"
    assert ours(base, {adapter: 1.0}, out, max_shard_size="25KB").status == "merged"
    assert ours(base, {adapter: 1.0}, whole, max_shard_size="1GB").status == "merged"

    assert [p.name for p in whole.glob("model*")] == ["model.safetensors"]
    files = sorted(out.glob("*.safetensors"))
    assert len(files) > 3
    assert [p.name for p in files] == [
        f"model-{n + 1:05d}-of-{len(files):05d}.safetensors" for n in range(len(files))
    ]
    for file in files:
        tensors = load_file(file)
        assert len(tensors) == 1 or sum(t.nbytes for t in tensors.values()) <= 25_000
    assert tensors_of(out).keys() == tensors_of(base).keys()
    assert differing(tensors_of(out), tensors_of(whole)) == []
    _assert_index(out)
    _assert_loads(out, CAUSAL)
    assert metadata_of(out) == [METADATA] * len(files)
    assert metadata_of(whole) == [METADATA]


def _assert_index(folder: Path) -> None:
    index = json_of(folder / INDEX)
    found = {name: p.name for p in folder.glob("*.safetensors") for name in load_file(p)}
    assert index["weight_map"] == found
    assert index["metadata"]["total_size"] == sum(t.nbytes for t in tensors_of(folder).values())


def _assert_loads(folder: Path, auto: str) -> None:
    _, info = loaded(folder, auto, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))


def test_shards_of_another_dtype_keep_their_files(tmp_path: Path) -> None:
    base = save_base(llama(), tmp_path / "base", dtype="bf16", shard="40KB")
    adapter = save_adapter(loaded(base, CAUSAL), tmp_path / "adapter", Q_AND_MLP)
    assert ours(base, {adapter: 1.0}, tmp_path / "out", dtype="fp32").status == "merged"
    before, after = json_of(base / INDEX), json_of(tmp_path / "out" / INDEX)
    assert after["weight_map"] == before["weight_map"]
    assert after["metadata"]["total_size"] == 2 * before["metadata"]["total_size"]
    assert set(after["metadata"]) == set(before["metadata"])
    _assert_index(tmp_path / "out")
    _assert_loads(tmp_path / "out", CAUSAL)


@dataclass(frozen=True, kw_only=True)
class Head:
    """An adapter with a head: on which base, for which task, and what `config.json` says then.

    `saved`: modules to save by request, as for a class for which PEFT has no task.
    """

    model: Build
    auto: str
    task: str | None
    target: str
    labels: int | None
    architecture: str
    declares_labels: bool
    saved: tuple[str, ...] = ()


SEQUENCE = "AutoModelForSequenceClassification"
HEADS = {
    "bert": Head(
        model=bert,
        auto=SEQUENCE,
        task="SEQ_CLS",
        target="query",
        labels=3,
        architecture="BertForSequenceClassification",
        declares_labels=True,
    ),
    "bert with two labels, as a config without labels means": Head(
        model=bert,
        auto=SEQUENCE,
        task="SEQ_CLS",
        target="query",
        labels=2,
        architecture="BertForSequenceClassification",
        declares_labels=False,
    ),
    "bert for tokens": Head(
        model=bert,
        auto="AutoModelForTokenClassification",
        task="TOKEN_CLS",
        target="query",
        labels=7,
        architecture="BertForTokenClassification",
        declares_labels=True,
    ),
    "bert for questions": Head(
        model=bert,
        auto="AutoModelForQuestionAnswering",
        task="QUESTION_ANS",
        target="query",
        labels=None,
        architecture="BertForQuestionAnswering",
        declares_labels=False,
    ),
    "distilbert": Head(
        model=distilbert,
        auto=SEQUENCE,
        task="SEQ_CLS",
        target="q_lin",
        labels=5,
        architecture="DistilBertForSequenceClassification",
        declares_labels=True,
    ),
    "gpt2": Head(
        model=gpt2,
        auto=SEQUENCE,
        task="SEQ_CLS",
        target="c_attn",
        labels=6,
        architecture="GPT2ForSequenceClassification",
        declares_labels=True,
    ),
    "llama": Head(
        model=llama,
        auto=SEQUENCE,
        task="SEQ_CLS",
        target="q_proj",
        labels=4,
        architecture="LlamaForSequenceClassification",
        declares_labels=True,
    ),
    "pictures, for which PEFT has no task": Head(
        model=partial(vit, "ViTModel"),
        auto="AutoModelForImageClassification",
        task=None,
        target="q_proj",
        labels=7,
        architecture="ViTForImageClassification",
        declares_labels=True,
        saved=("classifier",),
    ),
    "bert without a task": Head(
        model=bert,
        auto=SEQUENCE,
        task=None,
        target="query",
        labels=5,
        architecture="BertForSequenceClassification",
        declares_labels=True,
        saved=("classifier",),
    ),
    "bart, whose head has another name": Head(
        model=bart,
        auto=SEQUENCE,
        task="SEQ_CLS",
        target="q_proj",
        labels=5,
        architecture="BartForSequenceClassification",
        declares_labels=True,
        saved=("classification_head",),
    ),
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
def test_an_added_head_is_declared(head: Head, tmp_path: Path) -> None:
    base = save_base(head.model(), tmp_path / "base")
    load = {} if head.labels is None else {"num_labels": head.labels}
    saved = list(head.saved) or None
    lora = {"target_modules": [head.target], "task_type": head.task, "modules_to_save": saved}
    adapter = save_adapter(loaded(base, head.auto, **load), tmp_path / "adapter", lora)
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is None
    config, before = json_of(tmp_path / "out" / "config.json"), json_of(base / "config.json")
    assert config["architectures"] == [head.architecture]
    changes = declared(tmp_path / "out")
    assert changes["config.json: architectures"] == (before["architectures"], [head.architecture])
    assert ("config.json: id2label" in changes) == head.declares_labels
    assert ("config.json: label2id" in changes) == head.declares_labels
    model, info = loaded(tmp_path / "out", head.auto, output_loading_info=True)
    assert type(model).__name__ == head.architecture
    assert not info["missing_keys"]
    assert head.labels in {None, model.config.num_labels}
    # The base's parts that a model with such a head leaves aside.
    aside = {"lm_head.weight", "final_logits_bias", "pooler.dense.bias", "pooler.dense.weight"}
    assert not set(info["unexpected_keys"]) - aside


@pytest.mark.parametrize(
    "lora",
    [
        {"target_modules": ["query"], "task_type": "SEQ_CLS"},
        {"target_modules": ["query"], "modules_to_save": ["classifier"]},
    ],
    ids=["of a task", "by request"],
)
def test_a_head_of_another_size_replaces_the_labels(
    lora: Mapping[str, object], tmp_path: Path
) -> None:
    model = bert("BertForSequenceClassification")
    model.config.id2label = {0: "down", 1: "up"}
    model.config.label2id = {"down": 0, "up": 1}
    base = save_base(model, tmp_path / "base")
    load = {"num_labels": 4, "ignore_mismatched_sizes": True}
    adapter = save_adapter(loaded(base, SEQUENCE, **load), tmp_path / "adapter", lora)
    assert ours(base, {adapter: 1.0}, tmp_path / "out").status == "merged"
    changes = declared(tmp_path / "out")
    assert changes.keys() == {"config.json: id2label", "config.json: label2id"}
    assert len(json_of(tmp_path / "out" / "config.json")["id2label"]) == 4
    expected = merged_by_peft(
        with_adapters(loaded(base, SEQUENCE, **load), {adapter: 1.0}), 1, tmp_path / "peft"
    )
    assert differing(tensors_of(tmp_path / "out"), expected) == []
    _assert_loads(tmp_path / "out", SEQUENCE)


def test_a_head_of_the_same_size_keeps_the_labels(tmp_path: Path) -> None:
    model = bert("BertForSequenceClassification")
    model.config.id2label = {0: "down", 1: "up"}
    base = save_base(model, tmp_path / "base")
    lora = {"target_modules": ["query"], "task_type": "SEQ_CLS"}
    adapter = save_adapter(loaded(base, SEQUENCE), tmp_path / "adapter", lora)
    assert ours(base, {adapter: 1.0}, tmp_path / "out").status == "merged"
    assert (tmp_path / "out" / "config.json").read_bytes() == (base / "config.json").read_bytes()


def grown(base: Path, rows: int) -> Any:
    model = loaded(base, CAUSAL)
    model.resize_token_embeddings(rows)
    return model


GROWN = {
    "saved on request": {**Q_AND_MLP, "modules_to_save": ["embed_tokens", "lm_head"]},
    "saved by PEFT because it grew": Q_AND_MLP,
}


@pytest.mark.parametrize("shard", ["5GB", "40KB"])
@pytest.mark.parametrize("lora", GROWN.values(), ids=GROWN.keys())
def test_a_grown_vocabulary_is_declared(
    lora: Mapping[str, object], shard: str, tmp_path: Path
) -> None:
    base = save_base(llama(), tmp_path / "base", dtype="bf16", shard=shard)
    adapter = save_adapter(grown(base, 101), tmp_path / "adapter", lora)
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is None
    assert declared(tmp_path / "out") == {"config.json: vocab_size": (96, 101)}
    assert json_of(tmp_path / "out" / "config.json")["vocab_size"] == 101
    model = with_adapters(grown(base, 101), {adapter: 1.0})
    expected = merged_by_peft(model, 1, tmp_path / "peft")
    found = tensors_of(tmp_path / "out")
    assert found.keys() == expected.keys()
    assert differing(found, expected) == []
    assert found["model.embed_tokens.weight"].shape == (101, 48)
    _assert_loads(tmp_path / "out", CAUSAL)
    if shard != "5GB":
        _assert_index(tmp_path / "out")


UNEVEN = {
    "only the embedding grows": (101, ["embed_tokens"], "lm_head.weight"),
    "the vocabulary shrinks": (90, ["embed_tokens", "lm_head"], "never cut"),
}


@pytest.mark.parametrize(("rows", "saved", "word"), UNEVEN.values(), ids=UNEVEN.keys())
def test_a_vocabulary_that_does_not_fit(
    rows: int, saved: list[str], word: str, tmp_path: Path
) -> None:
    base = save_base(llama(), tmp_path / "base")
    other = save_base(llama(vocab_size=rows), tmp_path / "other")
    lora = {**Q_AND_MLP, "modules_to_save": saved}
    adapter = save_adapter(loaded(other, CAUSAL), tmp_path / "adapter", lora)
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("ShapeMismatch", 5)
    assert word in report.error.message


def test_the_plan_declares_what_the_receipt_does(tmp_path: Path) -> None:
    base = save_base(bert(), tmp_path / "base")
    lora = {"target_modules": ["query"], "task_type": "SEQ_CLS"}
    adapter = save_adapter(loaded(base, SEQUENCE, num_labels=3), tmp_path / "adapter", lora)
    values = {"adapters": [str(adapter)], "base": str(base), "to": str(tmp_path / "out")}
    plan = assemble.plan(Request.model_validate({**values, "dtype": "bf16"}))
    ours(base, {adapter: 1.0}, tmp_path / "out", dtype="bf16")
    planned = {c.subject: (c.before, c.after) for c in plan.changes}
    assert planned == declared(tmp_path / "out")
    assert len(planned) == 4


def test_two_adapters_that_save_the_same_module_are_refused(tmp_path: Path) -> None:
    base = save_base(llama(), tmp_path / "base")
    saved: dict[str, object] = {"modules_to_save": ["lm_head"]}
    adapters = [
        save_adapter(loaded(base, CAUSAL), tmp_path / name, {**saved, "target_modules": [name]})
        for name in ("q_proj", "v_proj")
    ]
    report = ours(base, dict.fromkeys(adapters, 1.0), tmp_path / "out")
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("AdapterKind", 4)
    assert "lm_head.weight" in report.error.message


def test_the_order_of_adapters_is_the_order_of_their_deltas(tmp_path: Path) -> None:
    base = save_base(partial(llama, num_hidden_layers=1)(), tmp_path / "base", dtype="fp32")
    one, two = (
        save_adapter(loaded(base, CAUSAL), tmp_path / name, Q_AND_MLP, seed=seed)
        for seed, name in enumerate(("one", "two"))
    )
    for name, order in {"forth": (one, two), "back": (two, one)}.items():
        assert ours(base, dict.fromkeys(order, 1.0), tmp_path / name).status == "merged"
    forth, back = tensors_of(tmp_path / "forth"), tensors_of(tmp_path / "back")
    assert differing(forth, back) != []
    expected = merged_by_peft(
        with_adapters(loaded(base, CAUSAL), {two: 1.0, one: 1.0}), 2, tmp_path / "peft"
    )
    assert differing(back, expected) == []
