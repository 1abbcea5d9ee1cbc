"""Which plain tensors of an adapter may be new or have other rows, and which only replace."""

from __future__ import annotations

from typing import Any

import pytest

from adapter_merge.adapters.contribution import Contribution
from adapter_merge.adapters.saved_modules import saved_tensor
from adapter_merge.checkpoint import TensorInfo
from adapter_merge.plan import AdapterTensor
from adapter_merge.sources import AdapterConfig


def info(name: str, *shape: int) -> TensorInfo:
    return TensorInfo(name=name, dtype="F32", shape=shape, start=0, stop=0)


def saved(name: str, *beside: str, shape: tuple[int, ...] = (6, 4), **config: Any) -> Contribution:
    return saved_tensor(
        info(f"base_model.model.{name}", *shape),
        index=2,
        name=name,
        config=AdapterConfig.model_validate(config),
        beside=[info(n, *shape) for n in beside],
    )


@pytest.mark.parametrize(
    ("name", "config", "expected"),
    [
        ("model.norm.weight", {}, False),
        ("model.norm.weight", {"modules_to_save": ["norm"]}, True),
        ("model.norm.weight", {"modules_to_save": ["model.norm"]}, True),
        ("model.norm.weight", {"modules_to_save": ["norm.weight"]}, False),
        ("model.norm_2.weight", {"modules_to_save": ["norm"]}, False),
        # PEFT compares the ends of names, without regard to dots.
        ("model.layernorm.weight", {"modules_to_save": ["norm"]}, True),
        ("classifier.dense.weight", {"modules_to_save": ["classifier"]}, True),
        ("score.weight", {}, False),
        ("score.weight", {"task_type": "SEQ_CLS"}, True),
        ("classifier.out_proj.bias", {"task_type": "TOKEN_CLS"}, True),
        ("qa_outputs.weight", {"task_type": "QUESTION_ANS"}, True),
        ("qa_outputs.weight", {"task_type": "SEQ_CLS"}, False),
        ("score.weight", {"task_type": "CAUSAL_LM"}, False),
        ("model.embed_tokens.weight", {}, True),
        ("lm_head.weight", {}, True),
        ("logit_scale", {}, False),
    ],
)
def test_what_may_be_new(name: str, config: dict[str, Any], expected: bool) -> None:
    contribution = saved(name, **config)
    assert contribution.saved is expected
    assert contribution.need.required is not expected
    assert (contribution.need.name, contribution.shape) == (name, (6, 4))


@pytest.mark.parametrize(
    ("shape", "plain", "module"),
    [
        ((6, 4), True, True),
        ((9, 4), False, True),
        ((3, 4), False, True),
        ((6, 5), False, False),
        ((6,), False, False),
        ((6, 4, 1), False, False),
    ],
)
def test_only_a_saved_module_has_other_rows(
    shape: tuple[int, ...], plain: bool, module: bool
) -> None:
    target = info("norm.weight", *shape)
    assert saved("norm.weight").need.fits(target) is plain
    assert saved("norm.weight", modules_to_save=["norm"]).need.fits(target) is module


def test_the_step_uses_the_spare_copies_too() -> None:
    step = saved("score.bias", "score.original_module.bias", shape=(6,)).make(None)
    names = "base_model.model.score.bias", "score.original_module.bias"
    assert step.uses == tuple(AdapterTensor(adapter=2, name=n) for n in names)
    assert step.replaces
