"""Which tensors are one in the model: the input embedding and the head, where the model ties them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from adapter_merge.checkpoint import Checkpoint

_EMBEDDINGS = re.compile(
    r"(?:.*\.)?(?:embed_tokens|wte|word_embeddings?|embeddings|shared|embed_in|tokens_embed"
    r"|tok_embeddings)\.weight"
)
_HEADS = re.compile(
    r"(?:.*\.)?(?:(?:generator_)?lm_head|embed_out|lm_loss|output_projection|proj_out|vocab_projector"
    r"|lm_head\.(?:decoder|out_proj)|(?:predictions|cls|head|mlm_score)\.decoder|pred_layer\.proj)\.weight"
)
# ModernBERT, RWKV and others: words that other layers have too, so the shape must be an embedding's.
_PLAIN_HEADS = re.compile(r"(?:decoder|head|output|unembedding_projection)\.weight")
_WITH_HEAD = re.compile(
    r".*(?:ForCausalLM|LMHeadModel|ForConditionalGeneration|ForMaskedLM|ForPreTraining|ForSeq2SeqLM"
    r"|DoubleHeadsModel|WithLMHead\w*|ForRetrieval)"
)
# What a head that is left out is called, by what its class keeps beside it in the file, else by the type.
_BESIDE_HEAD = {
    "cls.predictions.": "cls.predictions.decoder.weight",
    "vocab_transform.": "vocab_projector.weight",
    "lm_head.dense.": "lm_head.decoder.weight",
    "head.dense.": "decoder.weight",
}
_HEAD_OF_TYPE = {"whisper": "proj_out.weight"}
_INNER = "encoder.embed_tokens.weight"  # a file that holds `shared` leaves it out


def tied_tensors(
    config: Mapping[str, Any], checkpoint: Checkpoint, *, equal: Callable[[str, str], bool]
) -> tuple[str, ...]:
    """Names of the tensors that share storage in the model; empty where embedding and head are apart.

    A head that the file leaves out is named all the same, as its class calls it. `tie_word_embeddings`
    decides where the config has it. Its default differs by class, so without it the file does: a head
    that is left out, or equals the embedding (asked through `equal`), is tied. An embedding called
    `shared` (T5, BART) is tied to those of encoder and decoder whatever the head is.
    """
    embeddings, heads = _vocabulary(checkpoint)
    if not embeddings:
        return ()
    shared = any(n.rsplit(".", 2)[-2] == "shared" for n in embeddings)
    both = (*embeddings, *([_INNER] if shared and len(embeddings) == 1 else []))
    if _head_is_tied(config, embeddings, heads, equal):
        return (*both, *(heads or [_absent_head(config, checkpoint)]))
    return both if shared else ()


def _head_is_tied(
    config: Mapping[str, Any],
    embeddings: list[str],
    heads: list[str],
    equal: Callable[[str, str], bool],
) -> bool:
    if not _may_have_head(config):
        return False
    flags = set(_flags(config))
    if flags:
        return True in flags
    return not heads or any(equal(e, h) for e in embeddings for h in heads)


def _absent_head(config: Mapping[str, Any], checkpoint: Checkpoint) -> str:
    beside = (h for sign, h in _BESIDE_HEAD.items() if any(sign in n for n in checkpoint.tensors))
    return next(beside, _HEAD_OF_TYPE.get(str(config.get("model_type")), "lm_head.weight"))


def vocabulary_tensors(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The tensors that have one row a token: input embeddings and heads."""
    embeddings, heads = _vocabulary(checkpoint)
    return (*embeddings, *heads)


def _vocabulary(checkpoint: Checkpoint) -> tuple[list[str], list[str]]:
    tables = {t.name: t.shape for t in checkpoint.tensors.values() if len(t.shape) == 2}
    embeddings = [n for n in tables if _EMBEDDINGS.fullmatch(n)]
    shapes = {tables[n] for n in embeddings}
    heads = [
        n
        for n, shape in tables.items()
        if _HEADS.fullmatch(n) or (shape in shapes and _PLAIN_HEADS.fullmatch(n))
    ]
    return embeddings, heads


def _may_have_head(config: Mapping[str, Any]) -> bool:
    """Whether the class has a head over the vocabulary; one that isn't named may have it."""
    architectures = config.get("architectures")
    if not isinstance(architectures, list) or not architectures:
        return True
    return any(isinstance(n, str) and _WITH_HEAD.fullmatch(n) for n in architectures)


def _flags(config: Mapping[str, Any]) -> Iterable[bool]:
    """The top level decides; the text model's config where the top level is silent."""
    for part in (config, config.get("text_config"), config.get("decoder")):
        if isinstance(part, dict) and isinstance(part.get("tie_word_embeddings"), bool):
            yield part["tie_word_embeddings"]
            return
