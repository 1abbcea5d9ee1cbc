"""Which tensors are one in the model: the input embedding and the head, where the model ties them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from adapter_merge.checkpoint import Checkpoint, WeightFile

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
    r"|DoubleHeadsModel|WithLMHead\w*|ForRetrieval|ForVisionText2Text|MarianMTModel|BertGenerationDecoder)"
)
# Where a head's embedding lies, where others lie beside it: an encoder's, a query former's.
_OF_TEXT = re.compile(r"(?:.*\.)?(?:decoder|language_model|text_model)\..*")
# What a head that is left out is called, by what its class keeps beside it in the file, else by the type.
_BESIDE_HEAD = {
    "cls.predictions.": "cls.predictions.decoder.weight",
    "vocab_transform.": "vocab_projector.weight",
    "lm_head.dense.": "lm_head.decoder.weight",
    "generator_predictions.": "generator_lm_head.weight",
    "predictions.dense.": "predictions.decoder.weight",
    "head.dense.": "decoder.weight",
}
_HEAD_OF_TYPE = {
    "bert-generation": "lm_head.decoder.weight",
    "biogpt": "output_projection.weight",
    "flaubert": "pred_layer.proj.weight",
    "git": "output.weight",
    "gpt_neox_japanese": "embed_out.weight",
    "moonshine": "proj_out.weight",
    "moonshine_streaming": "proj_out.weight",
    "rwkv": "head.weight",
    "t5gemma": "lm_head.out_proj.weight",
    "trocr": "output_projection.weight",
    "whisper": "proj_out.weight",
    "xlm": "pred_layer.proj.weight",
    "xlnet": "lm_loss.weight",
}
_EMBEDDING_OF = {"model": "model.embed_tokens.weight", "transformer": "transformer.wte.weight"}
_OUTER = "language_model."  # around the text model in files of older vision-language models
_INNER = (".encoder.embed_tokens.weight", ".decoder.embed_tokens.weight")  # beside a `shared`


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
        found = _absent_embedding(checkpoint) if len(heads) == 1 else None
        tied = found and _head_is_tied(config, [], [], equal)
        return (found, *heads) if found and tied else ()
    shared = [n for n in embeddings if n.rsplit(".", 2)[-2] == "shared"]
    embeddings = embeddings if shared else _one(embeddings, equal)
    both = tuple(dict.fromkeys(n for e in embeddings for n in (e, *_beside_shared(e, checkpoint))))
    if _head_is_tied(config, embeddings, heads, equal):
        return (*both, *(heads or [_absent_head(config, checkpoint, embeddings[0])]))
    return both if shared else ()


def _one(embeddings: list[str], equal: Callable[[str, str], bool]) -> list[str]:
    """Those that are one with the embedding of the text: a file may hold others, with values of their own."""
    home = next((n for n in embeddings if _OF_TEXT.fullmatch(n)), embeddings[0])
    return [n for n in embeddings if n == home or equal(home, n)]


def _absent_embedding(checkpoint: Checkpoint) -> str | None:
    """What the embedding is called where the file holds the head alone: loaders take either of the two."""
    firsts = {n.partition(".")[0] for n in checkpoint.tensors}
    return next((name for first, name in _EMBEDDING_OF.items() if first in firsts), None)


def with_tied(checkpoint: Checkpoint, tied: Sequence[str]) -> Checkpoint:
    """The checkpoint as if its file held every one of the tied tensors, which adapters may name."""
    stored = [checkpoint.tensors[n] for n in tied if n in checkpoint.tensors]
    absent = [replace(stored[0], name=n) for n in tied if n not in checkpoint.tensors]
    if not absent:
        return checkpoint
    file = WeightFile(name="", size=0, header=b"", metadata=None, tensors=tuple(absent))
    return replace(checkpoint, files=(*checkpoint.files, file))


def _beside_shared(embedding: str, checkpoint: Checkpoint) -> Iterator[str]:
    """What a file leaves out where it holds `shared`: the embeddings of encoder and decoder."""
    head, _, name = f".{embedding}".rpartition(".shared.")
    if name == "weight":
        for inner in (f"{head}{end}"[1:] for end in _INNER):
            part = inner.removesuffix("embed_tokens.weight")
            if any(n.startswith(part) for n in checkpoint.tensors):
                yield inner


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


def _absent_head(config: Mapping[str, Any], checkpoint: Checkpoint, embedding: str) -> str:
    beside = (h for sign, h in _BESIDE_HEAD.items() if any(sign in n for n in checkpoint.tensors))
    plain = f"{_OUTER}lm_head.weight" if embedding.startswith(_OUTER) else "lm_head.weight"
    return next(beside, _HEAD_OF_TYPE.get(str(config.get("model_type")), plain))


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
