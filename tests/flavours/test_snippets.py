"""The code that a card shows is run, on tiny models of the real classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter_merge.flavours import Look, flavour_of
from tests.contract import makers

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


def sentence_transformer(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    inner = folder.with_name("inner")
    saved(makers.bert)(inner)
    SentenceTransformer(modules=[Transformer(str(inner)), Pooling(32)]).save(str(folder))


def gpt2() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(vocab_size=80, n_embd=16, n_layer=1, n_head=2))


def t5() -> Any:
    model = makers.t5()
    model.generation_config.decoder_start_token_id = 0
    return model


def colpali(folder: Path) -> None:
    from transformers import (
        ColPaliConfig,
        ColPaliForRetrieval,
        ColPaliProcessor,
        PaliGemmaConfig,
        SiglipImageProcessor,
    )

    common = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    text = {**common, "model_type": "gemma", "vocab_size": 64, "num_attention_heads": 4}
    vision = {**common, "image_size": 28, "patch_size": 14, "num_attention_heads": 4}
    inside = PaliGemmaConfig(
        text_config={**text, "num_key_value_heads": 1, "head_dim": 8},
        vision_config={**vision, "model_type": "siglip_vision_model", "projection_dim": 32},
        projection_dim=32,
        image_token_index=WORDS.index("<image>"),
    )
    config = ColPaliConfig(vlm_config=inside.to_dict(), embedding_dim=16)
    ColPaliForRetrieval(config).save_pretrained(folder)
    words = tokenizer()
    words.add_special_tokens({"additional_special_tokens": ["<image>"]})
    images = SiglipImageProcessor(size={"height": 28, "width": 28})
    images.image_seq_length = 4
    ColPaliProcessor(image_processor=images, tokenizer=words).save_pretrained(folder)


def saved(build: Callable[[], Any], template: str | None = None) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        build().save_pretrained(folder)
        tokenizer(template).save_pretrained(folder)

    return save


CHAT = "{% for m in messages %}{{ m['content'] }} </s> {% endfor %}"
FORMS = {
    "sentence-transformers": sentence_transformer,
    "causal": saved(makers.llama),
    "chat": saved(lambda: makers.llama(max_position_embeddings=128), CHAT),
    "gpt2": saved(gpt2),
    "t5": saved(t5),
    "bare": saved(makers.bert),
    "classifier": saved(lambda: makers.bert("BertForSequenceClassification")),
    "tokens": saved(lambda: makers.bert("BertForTokenClassification")),
    "answers": saved(lambda: makers.bert("BertForQuestionAnswering")),
    "masked": saved(lambda: makers.bert("BertForMaskedLM")),
    "colpali": colpali,
}


@pytest.mark.parametrize("form", FORMS)
def test_the_snippet_runs(
    form: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    FORMS[form](tmp_path / "model")
    look = Look.at(tmp_path / "model")
    assert look.chats is (form == "chat")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    capsys.readouterr()
    exec(flavour_of(look).snippet(look, "./model", None), {})  # noqa: S102 - it is what is tested
    assert capsys.readouterr().out
