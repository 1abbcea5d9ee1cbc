"""Which tensors are one: by the config's flag, by its class, by the file."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from adapter_merge.naming import tied_tensors, vocabulary_tensors, with_tied
from tests.naming.test_resolve import checkpoint

EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"
WORDS = "bert.embeddings.word_embeddings.weight"
CAUSAL = {"architectures": ["LlamaForCausalLM"]}
TIED, APART = {**CAUSAL, "tie_word_embeddings": True}, {**CAUSAL, "tie_word_embeddings": False}
NESTED = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "text_config": {"tie_word_embeddings": False},
}
SHARED, INNER = "shared.weight", "encoder.embed_tokens.weight"


@pytest.mark.parametrize(
    ("config", "names", "equal", "expected"),
    [
        (TIED, [EMBED], False, (EMBED, HEAD)),
        (TIED, [EMBED, HEAD], False, (EMBED, HEAD)),
        (APART, [EMBED, HEAD], True, ()),
        # Without a flag the file decides.
        (CAUSAL, [EMBED], False, (EMBED, HEAD)),
        (CAUSAL, [EMBED, HEAD], True, (EMBED, HEAD)),
        (CAUSAL, [EMBED, HEAD], False, ()),
        (NESTED, [EMBED, HEAD], True, ()),
        ({**CAUSAL, "text_config": {"tie_word_embeddings": True}}, [EMBED, HEAD], False, (EMBED, HEAD)),
        ({**CAUSAL, "decoder": {"tie_word_embeddings": False}}, [EMBED, HEAD], True, ()),
        # A flag that is no flag says nothing.
        ({**CAUSAL, "tie_word_embeddings": None}, [EMBED, HEAD], True, (EMBED, HEAD)),
        ({**NESTED, "tie_word_embeddings": True}, [EMBED], False, (EMBED, HEAD)),
        # A head that is left out is called as its class calls it.
        ({"architectures": ["BertForMaskedLM"]}, [WORDS, "cls.predictions.bias"], False,
         (WORDS, "cls.predictions.decoder.weight")),
        ({"architectures": ["RobertaForMaskedLM"]}, [WORDS, "lm_head.dense.weight"], False,
         (WORDS, "lm_head.decoder.weight")),
        ({"architectures": ["DistilBertForMaskedLM"]}, [WORDS, "vocab_transform.bias"], False,
         (WORDS, "vocab_projector.weight")),
        ({"architectures": ["AlbertForMaskedLM"]}, [WORDS, "predictions.dense.weight"], False,
         (WORDS, "predictions.decoder.weight")),
        ({"architectures": ["ElectraForMaskedLM"]}, [WORDS, "generator_predictions.dense.weight"], False,
         (WORDS, "generator_lm_head.weight")),
        ({"architectures": ["BioGptForCausalLM"], "model_type": "biogpt"}, [EMBED], False,
         (EMBED, "output_projection.weight")),
        ({"architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper"},
         [EMBED], False, (EMBED, "proj_out.weight")),
        ({"architectures": ["MambaForCausalLM"]}, ["backbone.embeddings.weight"], False,
         ("backbone.embeddings.weight", HEAD)),
        # A class without a head ties nothing; one that isn't named may have a head.
        ({"architectures": ["BertModel"]}, [EMBED], False, ()),
        ({"architectures": ["LlamaForSequenceClassification"], "tie_word_embeddings": True}, [EMBED], False, ()),
        ({"tie_word_embeddings": True}, [EMBED], False, (EMBED, HEAD)),
        ({}, [], False, ()),
        # T5 and BART: encoder and decoder share it whatever the head does.
        ({"architectures": ["T5ForConditionalGeneration"], "tie_word_embeddings": False},
         [SHARED, HEAD], False, (SHARED,)),
        ({"architectures": ["T5EncoderModel"]}, [SHARED, INNER], False, (SHARED, INNER)),
        ({"architectures": ["T5ForConditionalGeneration"]}, [SHARED, "encoder.norm.weight"], False,
         (SHARED, INNER, HEAD)),
        ({"architectures": ["BartForConditionalGeneration"]},
         [f"model.{SHARED}", "model.encoder.norm.weight", "model.decoder.norm.weight"], False,
         (f"model.{SHARED}", f"model.{INNER}", "model.decoder.embed_tokens.weight", HEAD)),
        ({"architectures": ["MarianMTModel"]}, [f"model.{SHARED}", "model.decoder.norm.weight"], False,
         (f"model.{SHARED}", "model.decoder.embed_tokens.weight", HEAD)),
        # An encoder or a query former may have one of its own.
        ({"architectures": ["MarianMTModel"]}, [f"model.{INNER}", "model.decoder.embed_tokens.weight"], False,
         ("model.decoder.embed_tokens.weight", HEAD)),
        ({"architectures": ["InstructBlipForConditionalGeneration"]},
         [f"language_model.{EMBED}", f"qformer.{WORDS}"], False,
         (f"language_model.{EMBED}", f"language_model.{HEAD}")),
        ({**CAUSAL, "tie_word_embeddings": True}, [EMBED, "copy.embed_tokens.weight"], True,
         (EMBED, "copy.embed_tokens.weight", HEAD)),
        # Beside the text model of an older vision-language file lies its head.
        ({"architectures": ["Gemma3ForConditionalGeneration"]}, [f"language_model.{EMBED}"], False,
         (f"language_model.{EMBED}", f"language_model.{HEAD}")),
    ],
)  # fmt: skip
def test_tied(
    config: Mapping[str, object], names: list[str], equal: bool, expected: tuple[str, ...]
) -> None:
    assert tied_tensors(config, checkpoint(names), equal=lambda _a, _b: equal) == expected


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        (EMBED, True),
        ("transformer.wte.weight", True),
        ("embeddings.word_embeddings.weight", True),
        ("cls.predictions.decoder.weight", True),
        ("embeddings.position_embeddings.weight", False),
        ("decoder.layers.0.weight", False),
    ],
)
def test_tables_with_a_row_a_token(name: str, counts: bool) -> None:
    assert vocabulary_tensors(checkpoint([name])) == ((name,) if counts else ())


TOKENS = "model.embeddings.tok_embeddings.weight"


@pytest.mark.parametrize("head", ["decoder.weight", "head.weight", "output.weight"])
def test_a_plain_word_is_a_head_where_its_shape_is_the_embedding_s(head: str) -> None:
    base = checkpoint({TOKENS: (64, 8), head: (64, 8)})
    config = {"architectures": ["ModernBertForMaskedLM"], "tie_word_embeddings": True}
    assert tied_tensors(config, base, equal=lambda _a, _b: False) == (TOKENS, head)
    assert vocabulary_tensors(checkpoint({TOKENS: (64, 8), head: (8, 64)})) == (TOKENS,)
    assert vocabulary_tensors(checkpoint({TOKENS: (64, 8), f"layers.0.{head}": (64, 8)})) == (
        TOKENS,
    )


def test_the_head_that_modernbert_leaves_out() -> None:
    base = checkpoint({TOKENS: (64, 8), "head.dense.weight": (8, 8)})
    config = {"architectures": ["ModernBertForMaskedLM"]}
    assert tied_tensors(config, base, equal=lambda _a, _b: False) == (TOKENS, "decoder.weight")


def test_a_vector_is_no_table() -> None:
    assert vocabulary_tensors(checkpoint({EMBED: (4,)})) == ()


def test_a_file_as_if_it_held_all() -> None:
    base = checkpoint({EMBED: (12, 8)})
    whole = with_tied(base, (EMBED, HEAD))
    assert whole.tensors[HEAD].shape == (12, 8)
    assert list(base.tensors) == [EMBED]
    assert with_tied(base, (EMBED,)) is base
    assert with_tied(base, ()) is base
