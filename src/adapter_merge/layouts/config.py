"""`config.json`: the base's, but for what the merge declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from adapter_merge.layouts.rewrite import Assignment

CONFIG = "config.json"
_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
_DTYPE_KEYS = ("torch_dtype", "dtype")
_COUNT_KEYS = ("num_labels", "_num_labels")

# A config inside `config.json`: the keys that lead to it, and its content.
_Nested: TypeAlias = tuple[tuple[str, ...], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigEdits:
    """What the merged weights ask of the config; None leaves a thing as it is.

    Attributes:
        dtype: what floating-point tensors were cast to.
        vocab_size: rows of a grown embedding.
        architecture: name of the class that has the head which the adapter adds.
        labels: rows of that head.
    """

    dtype: Literal["keep", "fp32", "bf16", "fp16"] = "keep"
    vocab_size: int | None = None
    architecture: str | None = None
    labels: int | None = None


def config_assignments(config: Mapping[str, Any], edits: ConfigEdits) -> tuple[Assignment, ...]:
    """The keys of a `config.json` that the edits ask for, in that order: dtypes, vocabulary, head."""
    return (*_dtypes(config, edits), *_vocabulary(config, edits), *_head(config, edits))


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


def _vocabulary(config: Mapping[str, Any], edits: ConfigEdits) -> Iterator[Assignment]:
    if edits.vocab_size is None:
        return
    texts = [c for c in nested_configs(config) if c[0][-1:] in {(), ("text_config",)}]
    # Where none names a size, the class decides; the config of the text model has to say it now.
    homes = [c for c in texts if "vocab_size" in c[1]] or texts[-1:]
    why = f"the merged embedding has {edits.vocab_size} rows"
    for where, _ in homes:
        yield Assignment(
            file=CONFIG, where=where, key="vocab_size", value=edits.vocab_size, why=why
        )


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
