"""Rules about other programs: each has a fault that breaks it; what only looks like one breaks none."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from adapter_merge.checks.consumers import NAMES, Facts, Status, consumer, judge
from adapter_merge.checks.downstream import DOWNSTREAM
from adapter_merge.checks.side import look_beside
from adapter_merge.folder import INDEX, list_files
from adapter_merge.repository import open_checkpoint
from tests.checks.folders import (
    ADAPTER,
    BACKEND,
    BERT,
    BNB,
    MAKERS,
    OLD,
    Plant,
    both,
    change,
    config,
    delete,
    llama,
    modules,
    weights,
    write,
)

ALONE = delete("tokenizer.json", "tokenizer_config.json")
TOKEN_LIST = change("tokenizer_config.json", extra_special_tokens=["<image>"])
SHARDED = write(INDEX, {"weight_map": {"model.embed_tokens.weight": "model.safetensors"}})
REMOTE = config(model_type="own", architectures=["Own"], auto_map={"AutoModel": "own.Own"})
DENSE = "sentence_transformers.base.modules.dense.Dense"
SEES = config(
    architectures=["Qwen2VLForConditionalGeneration"],
    model_type="qwen2_vl",
    vision_config={"depth": 1},
)
ROPE = {"rope_theta": 500000.0, "rope_type": "default"}
YARN = {"rope_theta": 10000.0, "rope_type": "yarn", "factor": 4.0}

# Program and rule -> a fault that breaks it, in the folder of `MAKERS`.
FAULTS: dict[tuple[str, str], Plant] = {
    ("transformers", "no-config"): config(model_type=None),
    ("transformers", "model-type"): config(model_type="of-tomorrow"),
    ("transformers", "remote-code"): REMOTE,
    ("transformers", "engine-class"): config(architectures=["ColQwen2"], model_type="qwen2_vl"),
    ("transformers", "words-for-patches"): config(architectures=["ColQwen2ForRetrieval"]),
    ("transformers", "adapter-beside"): ADAPTER,
    ("transformers", "bundle"): ADAPTER,
    ("transformers", "no-tokenizer"): ALONE,
    ("transformers", "no-processor"): SEES,
    ("transformers", "quantised"): BNB,
    ("transformers-4", "no-config"): config(model_type=None),
    ("transformers-4", "model-type"): config(model_type="qwen3_5"),
    ("transformers-4", "remote-code"): REMOTE,
    ("transformers-4", "tokenizers-backend"): BACKEND,
    ("transformers-4", "extra-tokens-list"): TOKEN_LIST,
    ("transformers-4", "rope-lost"): config(rope_parameters=ROPE),
    ("transformers-4", "adapter-beside"): ADAPTER,
    ("transformers-4", "bundle"): ADAPTER,
    ("transformers-4", "no-tokenizer"): ALONE,
    ("transformers-4", "no-processor"): SEES,
    ("sentence-transformers", "bundle"): ADAPTER,
    ("sentence-transformers", "module-code"): modules(f"{OLD}Transformer", "theirs.Pooling"),
    ("sentence-transformers", "head"): both(
        config(architectures=["BertForSequenceClassification"]), weights("classifier.weight")
    ),
    ("sentence-transformers", "no-head"): change(
        "sentence_bert_config.json", transformer_task="sequence-classification"
    ),
    ("colpali-engine", "no-projection"): weights("language_model.layers.0.weight"),
    ("colpali-engine", "no-linear"): config(architectures=["ColIdefics3"], model_type="idefics3"),
    ("colpali-engine", "no-processor"): delete("preprocessor_config.json"),
    ("colpali-engine", "stranded"): config(architectures=["BiQwen2"]),
    ("vllm", "engine-class"): config(architectures=["ColQwen2"], model_type="qwen2_vl"),
    ("vllm", "projection-bias"): both(
        config(architectures=["ColPaliForRetrieval"]), weights("embedding_proj_layer.bias")
    ),
    ("vllm", "transformers-backend"): config(architectures=["HeliumForCausalLM"]),
    ("vllm", "remote-code"): REMOTE,
    ("vllm", "no-architecture"): config(architectures=None),
    ("vllm", "consolidated"): write("consolidated.safetensors"),
    ("vllm", "adapter-as-weights"): ADAPTER,
    ("vllm", "bundle"): both(ADAPTER, SHARDED),
    ("vllm", "module-unknown"): modules(f"{OLD}Transformer", f"{OLD}LSTM"),
    ("vllm", "quantisation"): BNB,
    ("vllm", "no-tokenizer"): ALONE,
    ("tei", "onnx"): write("onnx/model.onnx"),
    ("tei", "pickle-first"): both(
        lambda folder: (folder / "model.safetensors").rename(folder / "model-1.safetensors"),
        write(INDEX, {"weight_map": {"model.embed_tokens.weight": "model-1.safetensors"}}),
        write("pytorch_model.bin"),
    ),
    ("tei", "bundle"): ADAPTER,
    ("tei", "no-tokenizer"): delete("tokenizer.json"),
    ("tei", "no-architecture"): config(architectures=None),
    ("tei", "no-length"): config(max_position_embeddings=None),
    ("tei", "no-labels"): config(architectures=["BertForSequenceClassification"]),
    ("tei", "no-pooling"): both(config(model_type="mpnet"), delete("1_Pooling/config.json")),
    ("tei", "pooling-keys"): write("1_Pooling/config.json", {"pooling_mode": "mean"}),
    ("tei", "sequence-length"): write("sentence_bert_config.json", {"transformer_task": "x"}),
    ("tei", "dense-lost"): modules(f"{OLD}Transformer", f"{OLD}Pooling", DENSE),
    ("tei", "modernbert-keys"): config(model_type="modernbert"),
    ("tei", "gemma3-keys"): config(model_type="gemma3_text"),
    ("tei", "nomic-keys"): config(model_type="nomic_bert"),
    ("tei", "rope-lost"): config(model_type="mistral", rope_parameters=YARN),
    ("tei", "rope-unread"): config(model_type="qwen3", rope_parameters=YARN),
    ("tei", "rope-scaling-unread"): config(model_type="qwen3", rope_scaling=YARN),
    ("tei", "rope-scaling-refused"): config(model_type="llama", rope_scaling=YARN),
    ("tei", "cuda-only"): config(model_type="qwen2", architectures=["Qwen2Model"]),
    ("llama-cpp", "quantisation"): BNB,
    ("llama-cpp", "no-tokenizer"): ALONE,
    ("llama-cpp", "tokenizers-backend"): BACKEND,
    ("llama-cpp", "extra-tokens-list"): TOKEN_LIST,
    ("llama-cpp", "dense-lost"): modules(f"{OLD}Transformer", f"{OLD}Dense"),
    ("llama-cpp", "dense-flag"): both(
        config(architectures=["Gemma3TextModel"]), modules(f"{OLD}Transformer", f"{OLD}Dense")
    ),
    ("llama-cpp", "bundle"): ADAPTER,
}


def data(name: str) -> dict[str, Any]:
    """A data file as it stands there."""
    path = files("adapter_merge.checks.consumers") / f"{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


RULES = [(name, rule["id"]) for name in NAMES for rule in data(name)["rule"]]


def facts(folder: Path, *, bundled: bool = False) -> Facts:
    found = list_files(folder)
    side = look_beside(folder, found)
    return Facts(
        files=found.keys(),
        tensors=open_checkpoint(folder).tensors.keys(),
        contents=side.contents,
        modules=side.module_types,
        bundled=bundled,
    )


def test_every_rule_has_its_fault() -> None:
    assert [*FAULTS] == RULES


@pytest.mark.parametrize(("name", "rule"), RULES)
def test_planted_fault_breaks_its_rule(tmp_path: Path, name: str, rule: str) -> None:
    folder = tmp_path / "merged"
    MAKERS[name](folder)
    FAULTS[name, rule](folder)
    judged = judge(consumer(name), facts(folder, bundled=rule == "bundle"))
    assert rule in {broken.id for broken in judged.broken}
    worst = next(r for r in consumer(name).rules if r.id == rule).outcome.value
    assert judged.status.value in {"fails", worst} or worst == "warns"


# What looks like a fault and is none, with the program that it might alarm.
LOOKALIKES: dict[str, tuple[str, Plant]] = {
    "positions by the class's default": (
        "transformers-4",
        config(rope_parameters={"rope_theta": 10000.0, "rope_type": "default"}),
    ),
    "positions said in both ways": (
        "transformers-4",
        config(rope_theta=500000.0, rope_parameters=ROPE),
    ),
    "positions under an older name": (
        "transformers-4",
        config(model_type="gpt_neox", rotary_emb_base=500000, rope_parameters=ROPE),
    ),
    "scaling said in both ways": (
        "transformers-4",
        config(rope_scaling={"factor": 8.0}, rope_parameters={"rope_type": "llama3"}),
    ),
    "two kinds of attention by default": (
        "transformers-4",
        config(
            model_type="gemma3_text",
            rope_parameters={
                "full_attention": {"rope_theta": 1000000.0, "rope_type": "default"},
                "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
            },
        ),
    ),
    "positions of a class that has none": (
        "transformers-4",
        config(model_type="bert", rope_parameters=ROPE),
    ),
    "extra tokens in a table": (
        "transformers-4",
        change("tokenizer_config.json", extra_special_tokens={"image_token": "<image>"}),
    ),
    "a class without a vocabulary": (
        "transformers",
        both(ALONE, config(vocab_size=None, model_type="vit")),
    ),
    "an audio model without a head": ("transformers", both(ALONE, config(model_type="hubert"))),
    "a processor in the form of transformers 5": (
        "transformers",
        both(SEES, write("processor_config.json", {"image_processor": {}})),
    ),
    "a processor in the form of transformers 4": (
        "transformers-4",
        both(SEES, write("preprocessor_config.json", {})),
    ),
    "a second config in a folder": ("transformers", write("old/adapter_config.json")),
    "another head on a known model": (
        "vllm",
        config(architectures=["Qwen2ForTokenClassification"]),
    ),
    "a tokenizer of transformers 5": ("vllm", both(BACKEND, TOKEN_LIST)),
    "an index that leaves the adapter out": ("vllm", both(ADAPTER, SHARDED)),
    "modules with the names of 5.4": ("vllm", modules(DENSE)),
    "a late-interaction class": ("vllm", config(architectures=["ColPaliForRetrieval"])),
    "no pooling, but a BERT": ("tei", delete("1_Pooling/config.json")),
    "labels": (
        "tei",
        config(architectures=["BertForSequenceClassification"], id2label={}, label2id={}),
    ),
    "positions without scaling": ("tei", config(model_type="qwen3", rope_parameters=ROPE)),
    "a scaling of null": (
        "tei",
        write("config.json", {**BERT, "model_type": "qwen3", "rope_scaling": None}),
    ),
    "a Normalize with a new name": (
        "tei",
        modules(f"{OLD}Pooling", "sentence_transformers.base.modules.normalize.Normalize"),
    ),
    "a SentencePiece model beside": ("llama-cpp", both(BACKEND, write("tokenizer.model"))),
    "weights that it can undo": (
        "llama-cpp",
        config(quantization_config={"quant_method": "fp8"}),
    ),
    "a native form": ("colpali-engine", config(architectures=["ColModernVBert"])),
}


@pytest.mark.parametrize("look", LOOKALIKES)
def test_lookalikes_load(tmp_path: Path, look: str) -> None:
    name, plant = LOOKALIKES[look]
    MAKERS[name](tmp_path / "merged")
    plant(tmp_path / "merged")
    judged = judge(consumer(name), facts(tmp_path / "merged"))
    assert (judged.status, judged.broken) == (Status.LOADS, ())


def test_a_config_may_nest_deeply(tmp_path: Path) -> None:
    llama(tmp_path / "merged")
    deep = '{"a": ' * 900 + '{"vocab_size": 1}' + "}" * 900
    (tmp_path / "merged" / "config.json").write_text(deep)
    assert any("vocab_size" in level for level in facts(tmp_path / "merged").levels)


@pytest.mark.parametrize("name", NAMES)
def test_words_and_sources(name: str) -> None:
    rules = data(name)["rule"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert re.fullmatch(r"[a-z0-9-]+", rule["id"])
        assert re.fullmatch(r"[a-z.-]+ [0-9a-f.]+: [\w/]+\.(py|rs) [\w.:]+", rule["source"])
        assert rule["fix"].endswith(".")
        assert not rule["says"].endswith(".")


def test_each_program_has_its_file_and_its_check() -> None:
    folder = files("adapter_merge.checks.consumers")
    found = {path.name for path in folder.iterdir() if path.name.endswith(".toml")}
    assert found == {f"{name}.toml" for name in NAMES} | {"shared.toml"}
    assert [check.name for check in DOWNSTREAM] == [data(name)["name"] for name in NAMES]


def test_known_types_are_those_of_the_version_that_was_read() -> None:
    transformers = pytest.importorskip("transformers")
    if transformers.__version__ != consumer("transformers").version:
        pytest.skip("another version is installed")
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    assert data("transformers")["lists"]["model_types"] == sorted(CONFIG_MAPPING_NAMES)
