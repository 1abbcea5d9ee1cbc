"""Task heads: a classifier that an adapter saved decides on class and labels of the merged model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from adapter_merge.adapters.claims import Claim
from adapter_merge.adapters.saved_modules import has_row_per_label
from adapter_merge.sources import AdapterConfig

# Ending of the class that has a task's head. Source: transformers, names of its Auto classes.
_CLASS_OF_TASK = {
    "SEQ_CLS": "ForSequenceClassification",
    "TOKEN_CLS": "ForTokenClassification",
    "QUESTION_ANS": "ForQuestionAnswering",
}
_CLASS = re.compile(r"(?P<family>.+?)(?:For[A-Z]\w*|LMHeadModel|DoubleHeadsModel|Model)")
_DEFAULT_LABELS = 2  # of transformers' `PreTrainedConfig`


def architecture(claims: Iterable[Claim], base: Mapping[str, Any]) -> str | None:
    """The class of a model that gets a head, for `architectures`; None where no head is added.

    It is the class that the adapter names in `auto_mapping`, else the sibling of the base's class.
    """
    added = [c.adapter.config for c in _saved(claims) if c.info is None]
    return next((_class_with_head(c, base) for c in added if _has_class(c)), None)


def labels(claims: Iterable[Claim], base: Mapping[str, Any]) -> int | None:
    """How many labels the merged model has, where that differs from the base's `config.json`."""
    rows = [c.rows for c in _saved(claims) if has_row_per_label(c.name)]
    return rows[-1] if rows and rows[-1] != _labels(base) else None


def _saved(claims: Iterable[Claim]) -> Sequence[Claim]:
    return [c for c in claims if c.contribution.shape is not None and c.contribution.saved]


def _has_class(config: AdapterConfig) -> bool:
    """Whether it can be told: for pictures and sound PEFT has no task, and `auto_mapping` names the class."""
    library = (config.auto_mapping or {}).get("parent_library")
    known = isinstance(library, str) and library.partition(".")[0] == "transformers"
    return known or config.task_type in _CLASS_OF_TASK


def _class_with_head(config: AdapterConfig, base: Mapping[str, Any]) -> str | None:
    named = (config.auto_mapping or {}).get("base_model_class")
    if isinstance(named, str):
        return named
    architectures = base.get("architectures")
    first = architectures[0] if isinstance(architectures, list) and architectures else None
    match = _CLASS.fullmatch(first) if isinstance(first, str) else None
    ending = _CLASS_OF_TASK.get(config.task_type or "")
    return match["family"] + ending if match and ending else None


def _labels(config: Mapping[str, Any]) -> int:
    for key in ("id2label", "label2id"):
        if isinstance(config.get(key), dict):
            return len(config[key])
    number = config.get("num_labels")
    return number if isinstance(number, int) else _DEFAULT_LABELS
