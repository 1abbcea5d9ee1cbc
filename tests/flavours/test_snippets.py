"""The code that a card shows is run, on tiny models of the real classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_merge.flavours import Look, flavour_of
from adapter_merge.flavours.colpali import PROCESSORS, UNTABLED
from tests.contract import makers
from tests.flavours import repos

WORDS = ["[PAD]", "[UNK]", "[MASK]", "</s>", "Where", "<image>", "is", "harbour", "Anna", "lives"]


def tokenizer(template: str | None = None) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate(WORDS)}
    inner = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    names = ("pad_token", "unk_token", "mask_token", "eos_token", "bos_token")
    special = dict(zip(names, ("[PAD]", "[UNK]", "[MASK]", "</s>", "</s>"), strict=True))
    outer = PreTrainedTokenizerFast(tokenizer_object=inner, **special)
    outer.chat_template = template
    return outer


def sentence_transformer(folder: Path, **given: object) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    inner = folder.with_name("inner")
    saved(makers.bert)(inner)
    SentenceTransformer(modules=[Transformer(str(inner)), Pooling(32)], **given).save(str(folder))


def of_sentence_transformers(kind: str, save: Callable[[Path], None]) -> Callable[[Path], None]:
    """Another of its classes, around the model that `save` leaves."""

    def make(folder: Path) -> None:
        import sentence_transformers

        inner = folder.with_name("inner")
        save(inner)
        more = {"num_labels": 1} if kind == "CrossEncoder" else {}
        made = getattr(sentence_transformers, kind)(str(inner), device="cpu", **more)
        made.save_pretrained(str(folder))

    return make


def gpt2() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(vocab_size=80, n_embd=16, n_layer=1, n_head=2))


def t5() -> Any:
    model = makers.t5()
    model.generation_config.decoder_start_token_id = 0
    return model


def saved(build: Callable[[], Any], template: str | None = None) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        build().save_pretrained(folder)
        tokenizer(template).save_pretrained(folder)

    return save


CHAT = "{% for m in messages %}{{ m['content'] }} </s> {% endfor %}"
PROMPTS = {"query": "Where ", "document": ""}
COLPALI = repos.native("ColPali", "colpali", "paligemma")
FORMS = {
    "sentence-transformers": sentence_transformer,
    "prompts": lambda folder: sentence_transformer(folder, prompts=PROMPTS),
    "SparseEncoder": of_sentence_transformers(
        "SparseEncoder", saved(lambda: makers.bert("BertForMaskedLM"))
    ),
    "MultiVectorEncoder": of_sentence_transformers("MultiVectorEncoder", saved(makers.bert)),
    "MultiVectorEncoder of pages": of_sentence_transformers("MultiVectorEncoder", COLPALI),
    "CrossEncoder": of_sentence_transformers("CrossEncoder", saved(makers.bert)),
    "causal": saved(makers.llama),
    "chat": saved(lambda: makers.llama(max_position_embeddings=128), CHAT),
    "gpt2": saved(gpt2),
    "t5": saved(t5),
    "bare": saved(makers.bert),
    "classifier": saved(lambda: makers.bert("BertForSequenceClassification")),
    "tokens": saved(lambda: makers.bert("BertForTokenClassification")),
    "answers": saved(lambda: makers.bert("BertForQuestionAnswering")),
    "masked": saved(lambda: makers.bert("BertForMaskedLM")),
    "PaliGemma": repos.sees("paligemma", "PaliGemma", "<image>"),
    "Gemma3": repos.sees("gemma3", "Gemma3", "<|vision_start|>"),
    "Idefics3": repos.sees("idefics3", "Idefics3", "<image>"),
    "LLaVA": repos.sees("llava", "Llava", "<image>"),
    "ColPali": COLPALI,
    "ColModernVBert": repos.native("ColModernVBert", "colmodernvbert", "modernvbert"),
}
# Their processors prepare videos too.
WITH_VIDEOS = {
    "Qwen2-VL": repos.sees("qwen2_vl", "Qwen2VL", repos.QWEN_PICTURE),
    "Qwen2.5-VL": repos.sees("qwen2_5_vl", "Qwen2_5_VL", repos.QWEN_PICTURE),
    "Qwen3-VL": repos.sees("qwen3_vl", "Qwen3VL", repos.QWEN_PICTURE),
    "ColQwen2": repos.native("ColQwen2", "colqwen2", "qwen2_vl"),
}
# Class of colpali-engine without `Col` or `Bi` -> the type of its model.
ENGINE = {
    "Gemma3": "gemma3",
    "Idefics3": "idefics3",
    "ModernVBert": "modernvbert",
    "Pali": "paligemma",
    "PaliProj": "paligemma",
    "Qwen2": "qwen2_vl",
    "Qwen2_5": "qwen2_5_vl",
    "Qwen3": "qwen3_vl",
    "Qwen3_5": "qwen3_5",
}


def run(
    save: Callable[[Path], None],
    root: Path,
    patch: pytest.MonkeyPatch,
    names: dict[str, Any] | None = None,
) -> Look:
    """Save a model, and run the code that loads it; `names` gets what the code names."""
    save(root / "model")
    look = Look.at(root / "model")
    patch.chdir(root)
    patch.setenv("HF_HUB_OFFLINE", "1")
    exec(flavour_of(look).snippet(look, "./model", None), {} if names is None else names)  # noqa: S102 - it is what is tested
    return look


@pytest.mark.parametrize("form", FORMS)
def test_the_snippet_runs(
    form: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    look = run(FORMS[form], tmp_path, monkeypatch)
    sees = form in {"PaliGemma", "Gemma3", "Idefics3", "LLaVA"}
    assert look.chats is (form == "chat" or sees)
    assert capsys.readouterr().out


@pytest.mark.parametrize("form", WITH_VIDEOS)
def test_the_snippet_runs_where_videos_can_be_read(
    form: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("torchvision")
    run(WITH_VIDEOS[form], tmp_path, monkeypatch)
    assert capsys.readouterr().out


def test_the_snippet_tells_where_patches_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its class asks no more: a page whose patches are counted like words has other vectors."""
    pytest.importorskip("torchvision")
    names: dict[str, Any] = {}
    run(WITH_VIDEOS["ColQwen2"], tmp_path, monkeypatch, names)
    model, pages = names["model"], dict(names["pages"])
    places = pages.pop("position_ids")
    picture = pages["input_ids"][0] == model.config.vlm_config.image_token_id
    placed = places[:, 0, picture]
    assert placed.max() - placed.min() + 1 < picture.sum()
    with torch.inference_mode():
        words = model(**pages).embeddings
    assert (words - names["page"]).abs().max() > 1e-4


def of_engine(name: str) -> Callable[[Path], None]:
    kind = ENGINE[name.removeprefix("Col").removeprefix("Bi")]
    return repos.engine(name, PROCESSORS[name], kind)


@pytest.mark.parametrize("name", sorted(PROCESSORS.keys() - {"ColQwen2_5Omni"}))
def test_the_snippet_runs_on_a_class_of_colpali_engine(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("colpali_engine")
    look = run(of_engine(name), tmp_path, monkeypatch)
    assert (look.architecture, flavour_of(look).library_name) == (name, "colpali-engine")
    assert "tensor" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(UNTABLED))
def test_a_class_that_colpali_engine_loads_only_with_a_table(name: str, tmp_path: Path) -> None:
    """Once it loads without, its snippet may be as short as the others'."""
    models = pytest.importorskip("colpali_engine.models")
    of_engine(name)(tmp_path)
    with pytest.raises(AttributeError, match="_checkpoint_conversion_mapping"):
        getattr(models, name).from_pretrained(tmp_path)


def test_the_classes_are_those_of_colpali_engine() -> None:
    models = pytest.importorskip("colpali_engine.models")
    there = {n for n in vars(models) if n.startswith(("Bi", "Col")) and "Processor" not in n}
    assert there == set(PROCESSORS)
    assert all(hasattr(models, processor) for processor in PROCESSORS.values())
