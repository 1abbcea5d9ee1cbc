"""The classes that an adapter may have been trained on, each to be built without weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from adapter_merge.adapters.hollow.empty import hollow_model, quiet
from adapter_merge.adapters.hollow.inject import Misfit, said
from adapter_merge.skeleton import settings_of
from adapter_merge.sources import Adapter, Base

if TYPE_CHECKING:
    from torch import nn

# The class that an adapter of a task is trained on. Source: peft `MODEL_TYPE_TO_PEFT_MODEL_MAPPING`, `auto.py`.
_AUTO = {
    "SEQ_CLS": "AutoModelForSequenceClassification",
    "TOKEN_CLS": "AutoModelForTokenClassification",
    "QUESTION_ANS": "AutoModelForQuestionAnswering",
    "SEQ_2_SEQ_LM": "AutoModelForSeq2SeqLM",
    "CAUSAL_LM": "AutoModelForCausalLM",
    "FEATURE_EXTRACTION": "AutoModel",
}


def classes(adapter: Adapter, base: Base) -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """Names of the classes and ways to build them; `skeleton_of` has built one from the config."""
    with quiet():
        config = settings_of(base.config)
    named = (adapter.config.auto_mapping or {}).get("base_model_class")
    names = (_AUTO.get(adapter.config.task_type or ""), named, *(config.architectures or ()))
    yield from class_makers(config, tuple(n for n in names if n))


def class_makers(
    config: Any, names: tuple[str, ...]
) -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """Ways to build a model of a transformers config: the named classes, then the inner model.

    `names` are of classes of transformers, or of its Auto classes; the others are passed over.
    """
    import transformers

    for name in dict.fromkeys((*names, "AutoModel")):
        known = getattr(transformers, name, None)
        if hasattr(known, "_model_mapping"):
            known = _of_auto(known, config)
        if isinstance(known, type) and issubclass(known, transformers.PreTrainedModel):
            yield known.__name__, partial(known, config)


def _of_auto(auto: Any, config: Any) -> Any:
    mapping = auto._model_mapping  # noqa: SLF001 - the only table from a config to its class
    if type(config) not in mapping:
        return None
    known = mapping[type(config)]
    return known[0] if isinstance(known, tuple) else known


def emptied(make: Callable[[], nn.Module]) -> nn.Module:
    """A class without its weights.

    Raises:
        Misfit: it can't be built.
    """
    try:
        return hollow_model(make)
    # A class of a task's head may not take the base's config.
    except Exception as e:
        raise Misfit(f"its class can't be built: {said(e)}") from e
