"""Whole tensors that an adapter saved: `modules_to_save`, trained biases, task heads, resized embeddings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from adapter_merge.adapters.contribution import Contribution, Step
from adapter_merge.adapters.steps import Replacement
from adapter_merge.checkpoint import TensorInfo
from adapter_merge.errors import Unclaimed
from adapter_merge.plan import AdapterTensor, Need
from adapter_merge.sources import AdapterConfig

# Modules that PEFT saves for a task without being told. Source: peft `PeftModelForSequenceClassification`,
# `PeftModelForTokenClassification`, `PeftModelForQuestionAnswering`.
TASK_HEADS = {
    "SEQ_CLS": ("classifier", "score"),
    "TOKEN_CLS": ("classifier", "score"),
    "QUESTION_ANS": ("qa_outputs",),
}
# Source: peft `EMBEDDING_LAYER_NAMES`: saved whole where they were trained or resized.
EMBEDDINGS = ("embed_tokens", "lm_head")
# Other names of input embeddings, which PEFT saves too where the vocabulary grew.
_INPUTS = frozenset({"embed_in", "shared", "tok_embeddings", "word_embeddings", "wte"})
# `classifier.1` is that of convolutional networks; the others are called so in most classes of transformers.
_LAST_LAYER = re.compile(
    r"(?:.*\.)?(?:score|classifier(?:\.1|\.out_proj)?|classification_head\.out_proj)\.(?:weight|bias)"
)
# With `bias: all` PEFT saves the biases of a saved module two times more, and loads neither again.
_BESIDE = re.compile(r"(?P<module>.+)\.(?:modules_to_save|original_module)\.(?P<parameter>.+)")


class Whole(NamedTuple):
    """Whole tensors by the names that the base gives them, and their spare copies by the same names."""

    plain: dict[str, TensorInfo]
    beside: dict[str, list[TensorInfo]]


def whole_tensors(held: Mapping[str, TensorInfo], *, label: str) -> Whole:
    """Those that an adapter holds, from their names without `base_model.model.`.

    Raises:
        Unclaimed: one stands there twice, or is a copy of none; `label` is the adapter.
    """
    found = Whole({}, {})
    for name, info in held.items():
        bare = name.replace(".token_adapter.base_layer.", ".").replace(".base_layer.", ".")
        copy = _BESIDE.fullmatch(bare)
        if copy is not None:
            found.beside.setdefault(f"{copy['module']}.{copy['parameter']}", []).append(info)
        elif bare in found.plain:
            raise Unclaimed(
                f"`{label}` holds `{bare}` twice, once below `base_layer`",
                hint="Save the adapter again with PEFT.",
            )
        else:
            found.plain[bare] = info
    for lone in found.beside.keys() - found.plain.keys():
        raise Unclaimed(
            f"`{label}` holds `{found.beside[lone][0].name}`, but no `{lone}`",
            hint="Save the adapter again with PEFT.",
        )
    return found


def saved_tensors(whole: Whole, *, index: int, config: AdapterConfig) -> Iterator[Contribution]:
    """The contributions of all whole tensors."""
    for name, info in whole.plain.items():
        beside = whole.beside.get(name, ())
        yield saved_tensor(info, index=index, name=name, config=config, beside=beside)


def saved_tensor(
    info: TensorInfo,
    *,
    index: int,
    name: str,
    config: AdapterConfig,
    beside: Sequence[TensorInfo] = (),
) -> Contribution:
    """The contribution of a tensor that the adapter holds under a plain name.

    `name` is the tensor's name without `base_model.model.` and without `base_layer.`; `beside` are
    spare copies of it. As in PEFT, a plain name that the base has replaces the base's tensor, whoever
    asked for it; only saved modules, heads and embeddings may be new or have other rows.
    """
    module, _, parameter = name.rpartition(".")
    saved = _is_saved(module, config)
    tensor = AdapterTensor(adapter=index, name=info.name)

    def fits(target: TensorInfo) -> bool:
        return target.shape == info.shape or (saved and target.shape[1:] == info.shape[1:])

    def make(_target: TensorInfo | None) -> Step:
        copies = tuple(AdapterTensor(adapter=index, name=copy.name) for copy in beside)
        return Replacement(tensor=tensor, beside=copies)

    need = Need(module=module, parameter=parameter, fits=fits, required=not saved)
    return Contribution(need=need, shape=info.shape, saved=saved, make=make)


def has_row_per_label(name: str) -> bool:
    """Whether a tensor is of the last layer of a classification head."""
    return _LAST_LAYER.fullmatch(name) is not None


def is_table(module: str) -> bool:
    """Whether a module is an input embedding or a head over the vocabulary, by its own name."""
    return module.rsplit(".", 1)[-1] in {*EMBEDDINGS, *_INPUTS}


def is_wrapped(module: str, config: AdapterConfig) -> bool:
    """Whether the module was trained as a copy of its own, beside the base's (`modules_to_save`)."""
    return _lies_in(module, config.modules_to_save or ())


def _is_saved(module: str, config: AdapterConfig) -> bool:
    """Whether the module, or one that it lies in, is saved by its config."""
    heads = TASK_HEADS.get(config.task_type or "", ())
    is_input = module.rsplit(".", 1)[-1] in _INPUTS
    return is_input or is_wrapped(module, config) or _lies_in(module, (*heads, *EMBEDDINGS))


def _lies_in(module: str, names: Iterable[str]) -> bool:
    """Whether the path, or the start of it that is a module, ends with one of the names, as PEFT compares."""
    parts = module.split(".")
    parents = [".".join(parts[: n + 1]) for n in range(len(parts))]
    return any(parent.endswith(name) for name in names for parent in parents)
