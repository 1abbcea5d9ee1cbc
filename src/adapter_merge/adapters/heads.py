"""Task heads: a classifier that an adapter saved decides on class and labels of the merged model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from adapter_merge.adapters.claims import Claim
from adapter_merge.adapters.saved_modules import has_row_per_label
from adapter_merge.errors import AdapterKind
from adapter_merge.sources import Adapter, AdapterConfig

# Task of PEFT -> ending of the classes that have its head, and the Auto class that knows them.
# Source: transformers, names of its Auto classes.
_TASKS = {
    "SEQ_CLS": ("ForSequenceClassification", "AutoModelForSequenceClassification"),
    "TOKEN_CLS": ("ForTokenClassification", "AutoModelForTokenClassification"),
    "QUESTION_ANS": ("ForQuestionAnswering", "AutoModelForQuestionAnswering"),
}
# Model types whose classes with the head of any task begin alike, so that transformers needn't be asked.
FAMILIES = {
    "albert": "Albert",
    "bert": "Bert",
    "camembert": "Camembert",
    "deberta-v2": "DebertaV2",
    "distilbert": "DistilBert",
    "electra": "Electra",
    "gpt2": "GPT2",
    "llama": "Llama",
    "mistral": "Mistral",
    "modernbert": "ModernBert",
    "mpnet": "MPNet",
    "qwen2": "Qwen2",
    "qwen3": "Qwen3",
    "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta",
}
_CLASS = re.compile(r"(?P<family>.+?)(?:For[A-Z]\w*|LMHeadModel|DoubleHeadsModel|Model)")
_DEFAULT_LABELS = 2  # of transformers' `PreTrainedConfig`


def architecture(claims: Iterable[Claim], base: Mapping[str, Any]) -> str | None:
    """The class of a model that gets another head, for `architectures`; None where it keeps the base's.

    It is the class that the adapter names in `auto_mapping`, else the one that transformers' Auto class of
    the task has for the base's `model_type`. For types that are in no table transformers is imported.

    Raises:
        AdapterKind: transformers has no such class.
    """
    heads = [c for c in _saved(claims) if c.info is None or _is_of_another_task(c, base)]
    return next((_class_with_head(c.adapter, base) for c in heads if _has_class(c.adapter)), None)


def labels(claims: Iterable[Claim], base: Mapping[str, Any]) -> int | None:
    """How many labels the merged model has, where that differs from the base's `config.json`."""
    rows = [c.rows for c in _saved(claims) if has_row_per_label(c.name)]
    return rows[-1] if rows and rows[-1] != _labels(base) else None


def _saved(claims: Iterable[Claim]) -> Sequence[Claim]:
    return [c for c in claims if c.contribution.shape is not None and c.contribution.saved]


def _is_of_another_task(claim: Claim, base: Mapping[str, Any]) -> bool:
    """Whether the head replaces that of another task: token and sequence classifiers have equal names."""
    ending = _ending(claim.adapter.config)
    others = tuple(end for end, _ in _TASKS.values() if end != ending)
    return has_row_per_label(claim.name) and ending is not None and _first(base).endswith(others)


def _ending(config: AdapterConfig) -> str | None:
    return _TASKS.get(config.task_type or "", (None, None))[0]


def _has_class(adapter: Adapter) -> bool:
    """Whether it can be told: for pictures and sound PEFT has no task, and `auto_mapping` names the class."""
    config = adapter.config
    library = (config.auto_mapping or {}).get("parent_library")
    known = isinstance(library, str) and library.partition(".")[0] == "transformers"
    return known or config.task_type in _TASKS


def _class_with_head(adapter: Adapter, base: Mapping[str, Any]) -> str | None:
    config = adapter.config
    named = (config.auto_mapping or {}).get("base_model_class")
    if isinstance(named, str):
        return named
    ending, auto = _TASKS[config.task_type or ""]
    own_code = base.get("auto_map")
    if isinstance(own_code, Mapping) and isinstance(mapped := own_code.get(auto), str):
        return mapped.rpartition(".")[2]
    kind = base.get("model_type")
    if isinstance(kind, str) and kind in FAMILIES:
        return FAMILIES[kind] + ending
    match = _CLASS.fullmatch(_first(base))
    sibling = match["family"] + ending if match else None
    if not isinstance(kind, str) or not _is_known(kind):
        return sibling
    return _of_type(kind, auto) or _existing(sibling) or _refuse(adapter, kind, auto)


def _first(base: Mapping[str, Any]) -> str:
    names = base.get("architectures")
    first = names[0] if isinstance(names, list) and names else None
    return first if isinstance(first, str) else ""


def _is_known(kind: str) -> bool:
    from transformers import CONFIG_MAPPING

    return kind in CONFIG_MAPPING


def _of_type(kind: str, auto: str) -> str | None:
    """The class that an Auto class of transformers builds for a `model_type`."""
    import transformers
    from transformers import CONFIG_MAPPING

    mapping = getattr(transformers, auto)._model_mapping  # noqa: SLF001 - the only table of its classes
    found = mapping.get(CONFIG_MAPPING[kind], None)
    first = found[0] if isinstance(found, tuple) else found
    return first.__name__ if isinstance(first, type) else None


def _existing(name: str | None) -> str | None:
    import transformers

    return name if name is not None and hasattr(transformers, name) else None


def _refuse(adapter: Adapter, kind: str, auto: str) -> NoReturn:
    import transformers

    raise AdapterKind(
        f"`{adapter.pinned.source}` adds a head of the task {adapter.config.task_type}, and `{auto}` of "
        f"transformers {transformers.__version__} has no class for `{kind}`: loading would drop the head",
        hint="Save the adapter with PEFT from a class of transformers, so that its config has `auto_mapping`, "
        "or serve it with PEFT beside its base.",
    )


def _labels(config: Mapping[str, Any]) -> int:
    for key in ("id2label", "label2id"):
        if isinstance(config.get(key), dict):
            return len(config[key])
    number = config.get("num_labels")
    return number if isinstance(number, int) else _DEFAULT_LABELS
