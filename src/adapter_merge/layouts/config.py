"""`config.json`: the base's, but for what the merge declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from adapter_merge.layouts.rewrite import Assignment

CONFIG = "config.json"
_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
_DTYPE_KEYS = ("torch_dtype", "dtype")
_TIE = "tie_word_embeddings"
_COUNT_KEYS = ("num_labels", "_num_labels")

# A config inside `config.json`: the keys that lead to it, and its content.
_Nested: TypeAlias = tuple[tuple[str, ...], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigEdits:
    """What the merged weights ask of the config; None leaves a thing as it is.

    Attributes:
        dtype: what floating-point tensors were cast to.
        untied: whether embedding and head, which the base ties, are apart now.
        vocab_size: rows of a grown embedding.
        architecture: name of the class that has the head which the adapter adds.
        labels: rows of that head.
    """

    dtype: Literal["keep", "fp32", "bf16", "fp16"] = "keep"
    untied: bool = False
    vocab_size: int | None = None
    architecture: str | None = None
    labels: int | None = None


def config_assignments(config: Mapping[str, Any], edits: ConfigEdits) -> tuple[Assignment, ...]:
    """The keys of a `config.json` that the edits ask for: dtypes, tie, vocabulary, head, in that order."""
    return (
        *_dtypes(config, edits),
        *_tie(config, edits),
        *_vocabulary(config, edits),
        *_head(config, edits),
    )


def edited_config(config: Mapping[str, Any], edits: ConfigEdits) -> dict[str, Any]:
    """A config with what the edits ask for."""
    return _assigned(config, config_assignments(config, edits))


def nested_configs(config: Mapping[str, Any], where: tuple[str, ...] = ()) -> Iterator[_Nested]:
    """The config and all in it; those of an encoder-decoder pair have no `_config` in their keys."""
    yield where, config
    for key, value in config.items():
        if isinstance(value, dict) and (key.endswith("_config") or "model_type" in value):
            yield from nested_configs(value, (*where, key))


def _dtypes(config: Mapping[str, Any], edits: ConfigEdits) -> Iterator[Assignment]:
    if edits.dtype == "keep":
        return
    value, why = _DTYPES[edits.dtype], f"`--dtype {edits.dtype}`"
    for where, holder in nested_configs(config):
        for key in _DTYPE_KEYS:
            if key in holder:
                yield Assignment(file=CONFIG, where=where, key=key, value=value, why=why)


def _tie(config: Mapping[str, Any], edits: ConfigEdits) -> Iterator[Assignment]:
    """The flag off at the top and in the text model's config, as programs differ in which of them they read."""
    if not edits.untied:
        return
    for where, holder in nested_configs(config):
        if where[-1:] in {(), ("text_config",)} or holder.get(_TIE):
            why = "the adapter changes embedding and head apart"
            yield Assignment(file=CONFIG, where=where, key=_TIE, value=False, why=why)


def untied(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config that a result gets whose embedding and head are apart."""
    return _assigned(config, _tie(config, ConfigEdits(untied=True)))


def _assigned(config: Mapping[str, Any], assignments: Iterable[Assignment]) -> dict[str, Any]:
    result = deepcopy(dict(config))
    for wanted in assignments:
        holder: Any = result
        for key in wanted.where:
            holder = holder[key]
        holder[wanted.key] = wanted.value
    return result


def _vocabulary(config: Mapping[str, Any], edits: ConfigEdits) -> Iterator[Assignment]:
    if edits.vocab_size is None:
        return
    every = list(nested_configs(config))
    texts = [c for c in every if c[0][-1:] in {(), ("text_config",)}]
    sizes = {c["vocab_size"] for _, c in texts if type(c.get("vocab_size")) is int}
    # The same size below another key is the same vocabulary, but in a tower that reads no text.
    homes = [c for c in every if c[1].get("vocab_size") in sizes and not _reads_no_text(c[0])]
    # Where none names a size, the class decides; the config of the text model has to say it now.
    homes = homes or texts[-1:]
    why = f"the merged embedding has {edits.vocab_size} rows"
    for where, _ in homes:
        yield Assignment(
            file=CONFIG, where=where, key="vocab_size", value=edits.vocab_size, why=why
        )


def _reads_no_text(where: tuple[str, ...]) -> bool:
    return any(key.startswith(("vision", "audio", "speech")) for key in where)


def _head(config: Mapping[str, Any], edits: ConfigEdits) -> Iterator[Assignment]:
    values: dict[str, object] = {}
    if edits.architecture is not None:
        values["architectures"] = [edits.architecture]
    if edits.labels is not None:
        values["id2label"] = {str(i): f"LABEL_{i}" for i in range(edits.labels)}
        values["label2id"] = {f"LABEL_{i}": i for i in range(edits.labels)}
        values |= {key: edits.labels for key in _COUNT_KEYS if key in config}
    for key, value in values.items():
        yield Assignment(file=CONFIG, key=key, value=value, why="the adapter brings the head")
