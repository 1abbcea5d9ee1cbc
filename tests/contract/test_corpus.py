"""Real adapters and configs: they merge as PEFT merges them, or get the error that says why not.

The bases are rebuilt with the real widths and depths of what the adapters adapt; inner widths, which they
don't touch, are small, and so are vocabularies where the adapter brings no tokenizer.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_merge.adapters import kind_of
from adapter_merge.errors import AdapterMergeError
from adapter_merge.request import AdapterRef, RepoRef
from adapter_merge.stages.resolve import resolve_adapter, resolve_base
from tests.contract.makers import bert, change_config, loaded, save_base, tensors_of
from tests.contract.oracle import differing, merged_by_peft, ours, with_adapters

pytestmark = pytest.mark.corpus

MINILM = Path(__file__).parents[2] / "demo" / "base"
CAUSAL, SEQUENCE = "AutoModelForCausalLM", "AutoModelForSequenceClassification"
DEE = "Dee66__contract-buddy__adapters_peft_adapter_r4_a16_d0.0_e1_b16__2ef8de6b"
SMOLLM = (
    "TFM-HITESH__MedAI__SmolLM135M_SmolLM-135M-Instruct-medical_meadow_medical_flashcards-5epochs"
)
STELLA, FLORENCE = (
    "akseljoonas__biotech-news-sentiment__lora_adapter",
    "zhou-yu-chi__docker_test__model",
)


def gemma() -> Any:
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    return Gemma3ForCausalLM(
        Gemma3TextConfig(
            vocab_size=64,
            hidden_size=640,
            intermediate_size=64,
            num_hidden_layers=18,
            num_attention_heads=4,
            num_key_value_heads=1,
            head_dim=256,
        )
    )


def smollm() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=49152,
            hidden_size=576,
            intermediate_size=64,
            num_hidden_layers=30,
            num_attention_heads=9,
            num_key_value_heads=3,
            tie_word_embeddings=True,
        )
    )


def qwen() -> Any:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=64,
            hidden_size=896,
            intermediate_size=64,
            num_hidden_layers=24,
            num_attention_heads=14,
            num_key_value_heads=2,
            tie_word_embeddings=True,
        )
    )


def gpt2() -> Any:
    from transformers import GPT2Config, GPT2Model

    return GPT2Model(GPT2Config(vocab_size=64, n_inner=64, n_positions=32))


def distilbert() -> Any:
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    return DistilBertForSequenceClassification(DistilBertConfig(vocab_size=64, hidden_dim=64))


def rut5() -> Any:
    from transformers import T5Config, T5ForConditionalGeneration

    return T5ForConditionalGeneration(
        T5Config(vocab_size=64, d_model=768, d_ff=64, num_layers=12, num_heads=12)
    )


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A base for a real adapter; `prefix` is what the names of its file leave out."""

    model: Callable[[], Any]
    auto: str = CAUSAL
    load: Mapping[str, object] = field(default_factory=dict)
    prefix: str = ""
    config: Mapping[str, object] = field(default_factory=dict)
    edited: int


FITS = {
    "0112LY__logo-gemma-lora__adapter": Fit(model=gemma, edited=36),
    "zouhe0__LLM-Homework__adapter": Fit(model=gemma, edited=72),
    SMOLLM: Fit(model=smollm, edited=60),
    "SGOD-UTH__math-latex__model": Fit(model=qwen, edited=48),
    "shiltsov__MOBC-VKR-service__model_checkpoint-10": Fit(
        model=rut5, auto="AutoModelForSeq2SeqLM", edited=72
    ),
    "pathupally__distilbert-sentiment__models": Fit(model=distilbert, auto=SEQUENCE, edited=16),
    # As the published file: no prefix, though its config names the class with a head.
    "anirudh-ak__peft-gpt2__model_lora_model": Fit(
        model=gpt2,
        auto=SEQUENCE,
        load={"num_labels": 6},
        prefix="transformer.",
        config={"architectures": ["GPT2LMHeadModel"]},
        edited=13,
    ),
}


@pytest.mark.parametrize("name", FITS)
def test_a_real_adapter_merges_as_peft_merges_it(name: str, corpus: Path, tmp_path: Path) -> None:
    fit, adapter = FITS[name], corpus / "adapters" / name
    base = save_base(fit.model(), tmp_path / "base")
    change_config(base, **fit.config)
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is None
    assert report.counts["tensors_edited"] == fit.edited
    model = with_adapters(loaded(base, fit.auto, **fit.load), {_readable(adapter, tmp_path): 1.0})
    expected = merged_by_peft(model, 1, tmp_path / "peft")
    found = {
        name if name in expected else fit.prefix + name: tensor
        for name, tensor in tensors_of(tmp_path / "out").items()
    }
    assert found.keys() == expected.keys()
    assert differing(found, expected) == []


def _readable(adapter: Path, folder: Path) -> Path:
    """A copy that PEFT can load: its wrapper of encoder-decoders looks for what transformers 5 dropped."""
    copy = folder / "copy"
    copy.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copyfile(adapter / name, copy / name)
    if json.loads((copy / "adapter_config.json").read_text())["task_type"] == "SEQ_2_SEQ_LM":
        change_config(copy, task_type=None)
    return copy


def test_a_real_adapter_on_its_own_base(corpus: Path, tmp_path: Path) -> None:
    if not MINILM.exists():
        pytest.skip("all-MiniLM-L6-v2 is not there; `make demo` fetches it")
    adapter = tmp_path / "adapter"
    shutil.copytree(corpus / "adapters" / DEE, adapter)
    # The corpus has the files of its folder alone; what pooled it is told by none of them.
    report = ours(MINILM, {adapter: 1.0}, tmp_path / "out")
    assert report.error is not None
    assert report.error.type == "Corrupt"
    assert "`1_Pooling`, which isn't there" in report.error.message
    shutil.copytree(MINILM / "1_Pooling", adapter / "1_Pooling")
    report = ours(MINILM, {adapter: 1.0}, tmp_path / "out")
    assert report.error is None
    assert report.counts["tensors_edited"] == 12
    model = with_adapters(loaded(MINILM, "AutoModel"), {adapter: 1.0})
    expected = merged_by_peft(model, 1, tmp_path / "peft")
    found = tensors_of(tmp_path / "out")
    assert found.keys() - expected.keys() <= {"embeddings.position_ids"}
    assert differing(found, expected) == []


def bare_base(adapter: Path, folder: Path, **config: object) -> Path:
    """Weights under the adapter's own names, of the shapes that its factors have."""
    tensors = load_file(adapter / "adapter_model.safetensors")
    shapes = {
        name.removeprefix("base_model.model.").replace("lora_B.", ""): (
            b.shape[0],
            tensors[name.replace("lora_B", "lora_A")].shape[1],
        )
        for name, b in tensors.items()
        if "lora_B" in name
    }
    folder.mkdir()
    save_file({n: torch.ones(s) for n, s in shapes.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "own", **config}))
    return folder


@pytest.mark.parametrize("name", [STELLA, FLORENCE])
def test_a_base_with_code_of_its_own_is_refused(name: str, corpus: Path, tmp_path: Path) -> None:
    adapter = corpus / "adapters" / name
    base = bare_base(adapter, tmp_path / "base", auto_map={"AutoModel": "modeling.Own"})
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("RemoteCode", 4)


def test_an_adapter_that_changes_nothing_is_said_so(corpus: Path, tmp_path: Path) -> None:
    adapter = corpus / "adapters" / STELLA
    base = bare_base(adapter, tmp_path / "base")
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.status == "merged"
    assert {f.code for f in report.findings if f.outcome == "warn"} >= {"T008"}
    assert differing(tensors_of(tmp_path / "out"), tensors_of(base)) == []


def test_a_pickle_is_not_read(corpus: Path, tmp_path: Path) -> None:
    base = bare_base(corpus / "adapters" / FLORENCE, tmp_path / "base")
    report = ours(base, {corpus / "adapters" / "wujindou__BLOOM-LORA": 1.0}, tmp_path / "out")
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("NotSafetensors", 3)


def test_an_adapter_of_another_base_names_what_is_missing(corpus: Path, tmp_path: Path) -> None:
    base = save_base(smollm(), tmp_path / "base")
    adapter = corpus / "adapters" / "SGOD-UTH__math-latex__model"
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("ShapeMismatch", 5)


def test_real_configs_are_read_or_refused_by_name(corpus: Path, tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()
    save_base(bert(), tmp_path / "base")
    for path in sorted((corpus / "adapter_configs").glob("*.json")):
        folder = tmp_path / path.stem
        folder.mkdir()
        shutil.copyfile(path, folder / "adapter_config.json")
        saved = {"base_model.model.embeddings.LayerNorm.bias": torch.ones(32)}
        save_file(saved, folder / "adapter_model.safetensors")
        outcomes[_reading(folder)] += 1
    # One is a Git LFS pointer; the file has no tensor of the others' method.
    assert outcomes == {"read": 57, "AdapterKind": 11, "Corrupt": 35}


def _reading(folder: Path) -> str:
    """What becomes of a config; any error but ours fails the test."""
    try:
        adapter = resolve_adapter(AdapterRef.model_validate(str(folder)))
        base = resolve_base(RepoRef.model_validate(str(folder.parent / "base")))
        kind_of(adapter).read(adapter, 0, base)
    except AdapterMergeError as e:
        return type(e).__name__
    return "read"
