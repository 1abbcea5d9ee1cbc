"""Classifiers whose class needs a layer that the base lacks: trained and saved it merges, else it is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from adapter_merge.finding import Outcome
from tests.contract.makers import save_adapter, save_base
from tests.contract.oracle import ours

_TEXT = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 32,
}
_SOUND = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (16, 16),
    "conv_stride": (5, 2),
    "conv_kernel": (10, 3),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "vocab_size": 32,
    "classifier_proj_size": 16,
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A base's class, the classifier that is trained on it, and the module that the base lacks.

    Attributes:
        named: the parameter that the message names.
    """

    base: str
    head: str
    config: Mapping[str, Any]
    target: str
    lacks: str
    named: str
    task: str | None = "SEQ_CLS"


CASES = {
    "bert from a masked-LM file": Case(
        base="BertForMaskedLM",
        head="BertForSequenceClassification",
        config=_TEXT,
        target="query",
        lacks="pooler",
        named="bert.pooler.dense.weight",
    ),
    "albert from a masked-LM file": Case(
        base="AlbertForMaskedLM",
        head="AlbertForSequenceClassification",
        config={**_TEXT, "embedding_size": 16},
        target="query",
        lacks="pooler",
        named="albert.pooler.weight",
    ),
    "deberta": Case(
        base="DebertaModel",
        head="DebertaForSequenceClassification",
        config={**_TEXT, "type_vocab_size": 0},
        target="in_proj",
        lacks="pooler",
        named="pooler.dense.weight",
    ),
    "deberta-v2": Case(
        base="DebertaV2ForMaskedLM",
        head="DebertaV2ForSequenceClassification",
        config={**_TEXT, "type_vocab_size": 0},
        target="query_proj",
        lacks="pooler",
        named="pooler.dense.weight",
    ),
    "modernbert without its head": Case(
        base="ModernBertModel",
        head="ModernBertForSequenceClassification",
        config={
            **_TEXT,
            "num_attention_heads": 2,
            "pad_token_id": 0,
            "cls_token_id": 1,
            "sep_token_id": 2,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
        target="Wqkv",
        lacks="head",
        named="head.dense.weight",
    ),
    "hubert": Case(
        base="HubertModel",
        head="HubertForSequenceClassification",
        config=_SOUND,
        target="q_proj",
        lacks="projector",
        named="projector.weight",
        task=None,
    ),
    "wav2vec2 from a file for speech": Case(
        base="Wav2Vec2ForCTC",
        head="Wav2Vec2ForSequenceClassification",
        config=_SOUND,
        target="q_proj",
        lacks="projector",
        named="projector.weight",
        task=None,
    ),
}


def made(case: Case, root: Path, *, saved: list[str]) -> tuple[Path, Path, Any]:
    """A base, an adapter with a head of three labels, and the class of the classifier."""
    import transformers

    known, head = getattr(transformers, case.base), getattr(transformers, case.head)
    base = save_base(known(known.config_class(**case.config)), root / "base")
    torch.manual_seed(5)
    model = head.from_pretrained(base, num_labels=3)
    lora = {"target_modules": [case.target], "task_type": case.task, "modules_to_save": saved}
    return base, save_adapter(model, root / "adapter", lora), head


@pytest.mark.parametrize("layout", ["merged", "bundled"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_layer_that_no_file_holds_is_named(case: Case, layout: str, tmp_path: Path) -> None:
    base, adapter, _ = made(case, tmp_path, saved=["classifier"])
    report = ours(base, {adapter: 1.0}, tmp_path / "out", layout=layout)
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("MissingTarget", 5)
    assert f"`{case.named}`" in report.error.message
    assert f"`{case.head}`" in report.error.message
    assert f"`{case.lacks}` in `modules_to_save`" in report.error.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_layer_that_the_adapter_saved_is_added(case: Case, tmp_path: Path) -> None:
    import peft

    base, adapter, head = made(case, tmp_path, saved=["classifier", case.lacks])
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is None, report.error
    assert {f.outcome for f in report.findings if f.code == "T014"} == {Outcome.PASS}
    found, info = head.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not info["missing_keys"] | info["mismatched_keys"]
    # The base's own head, which the classifier has no use for.
    assert set(info["unexpected_keys"]) <= load_file(base / "model.safetensors").keys()
    model = peft.PeftModel.from_pretrained(head.from_pretrained(base, num_labels=3), adapter)
    expected = model.merge_and_unload().state_dict()
    for name, tensor in found.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-6, msg=name)


def test_a_saved_module_that_no_class_has_is_an_error(tmp_path: Path) -> None:
    from transformers import BertConfig, BertForSequenceClassification, BertModel

    base = save_base(BertModel(BertConfig(**_TEXT)), tmp_path / "base")
    model = BertForSequenceClassification.from_pretrained(base, num_labels=3)
    model.extra = torch.nn.Linear(4, 4)
    lora = {"target_modules": ["query"], "task_type": "SEQ_CLS", "modules_to_save": ["extra"]}
    adapter = save_adapter(model, tmp_path / "adapter", lora)
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is not None
    assert report.error.type == "Unclaimed"
    assert "`extra." in report.error.message


@pytest.mark.parametrize("outer", ["BertModel", "BertForPreTraining"])
def test_an_added_tensor_has_the_prefix_that_the_file_has(outer: str, tmp_path: Path) -> None:
    """Else transformers 4 takes the whole file for one of the other kind."""
    import transformers

    known = getattr(transformers, outer)
    base = save_base(known(known.config_class(**_TEXT)), tmp_path / "base")
    path = base / "model.safetensors"
    from safetensors.torch import save_file

    save_file({n: t for n, t in load_file(path).items() if "pooler" not in n}, path)
    head = transformers.BertForSequenceClassification
    lora = {"target_modules": ["query"], "task_type": "SEQ_CLS"}
    lora |= {"modules_to_save": ["classifier", "pooler"]}
    adapter = save_adapter(head.from_pretrained(base), tmp_path / "adapter", lora)
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is None, report.error
    names = load_file(tmp_path / "out" / "model.safetensors").keys()
    prefix = "" if outer == "BertModel" else "bert."
    assert f"{prefix}pooler.dense.weight" in names
    _, info = head.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not info["missing_keys"]
