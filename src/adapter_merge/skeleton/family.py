"""The ColPali family's own classes: trees that colpali-engine builds around transformers' classes.

transformers doesn't know them, so their tree is told here: which class they are, or hold as `model`, and
what their projection is called. Names of older stacks need no rule of ours: those of the class inside lead
here. Read in colpali-engine 0.2.0 to 0.3.18, `models/*/*/modeling_*.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A class of the family.

    Attributes:
        inner: name of the transformers class.
        held: whether `inner` is the attribute `model`, else the class extends `inner`.
        projection: attribute of the projection; None for a class that pools.
    """

    inner: str
    held: bool = False
    projection: str | None = None


def _extends(inner: str, projection: str | None = None) -> Member:
    return Member(inner=inner, projection=projection)


def _holds(inner: str, projection: str | None = None) -> Member:
    return Member(inner=inner, held=True, projection=projection)


_PROJ = "custom_text_proj"
MEMBERS: Mapping[str, Member] = {
    "ColPali": _holds("PaliGemmaForConditionalGeneration", _PROJ),
    "BiPali": _holds("PaliGemmaForConditionalGeneration"),
    "BiPaliProj": _holds("PaliGemmaForConditionalGeneration", _PROJ),
    # Before 0.3.12 these extended `...ForConditionalGeneration`; transformers' rules for the model lead here.
    "ColQwen2": _extends("Qwen2VLModel", _PROJ),
    "BiQwen2": _extends("Qwen2VLModel"),
    "ColQwen2_5": _extends("Qwen2_5_VLModel", _PROJ),
    "BiQwen2_5": _extends("Qwen2_5_VLModel"),
    "ColQwen3": _extends("Qwen3VLModel", _PROJ),
    "BiQwen3": _extends("Qwen3VLModel"),
    "ColQwen3_5": _extends("Qwen3_5Model", _PROJ),
    "BiQwen3_5": _extends("Qwen3_5Model"),
    "ColQwen2_5Omni": _extends("Qwen2_5OmniThinkerForConditionalGeneration", _PROJ),
    "ColGemma3": _extends("Gemma3Model", _PROJ),
    "BiGemma3": _extends("Gemma3Model"),
    "ColIdefics3": _holds("Idefics3Model", "linear"),
    "BiIdefics3": _holds("Idefics3Model"),
    "ColIdefics2": _holds("Idefics2Model", "linear"),
    "BiIdefics2": _holds("Idefics2Model"),
    "ColModernVBert": _holds("ModernVBertModel", _PROJ),
    "BiModernVBert": _holds("ModernVBertModel"),
}

# Whose file it is where `architectures` doesn't say: a projection beside a model of this type.
_BY_TYPE = {
    "paligemma": "ColPali",
    "qwen2_vl": "ColQwen2",
    "qwen2_5_vl": "ColQwen2_5",
    "qwen3_vl": "ColQwen3",
    "qwen3_5": "ColQwen3_5",
    "gemma3": "ColGemma3",
    "idefics3": "ColIdefics3",
    "idefics2": "ColIdefics2",
    "modernvbert": "ColModernVBert",
}


def architectures(config: Mapping[str, Any]) -> list[str]:
    """The class names that a config states."""
    stated = config.get("architectures")
    return [n for n in stated if isinstance(n, str)] if isinstance(stated, list) else []


def member_of(config: Mapping[str, Any], names: Collection[str]) -> Member | None:
    """The class that saved a file with these tensor names; None where it is none of the family."""
    name = engine_class(config, names)
    return None if name is None else MEMBERS[name]


def engine_class(config: Mapping[str, Any], names: Collection[str]) -> str | None:
    """The name of that class."""
    for name in architectures(config):
        if name in MEMBERS:
            return name
    guess = _BY_TYPE.get(str(config.get("model_type")))
    if guess is not None and f"{MEMBERS[guess].projection}.weight" in names:
        return guess
    return None
