"""The way from an adapter's modules to those of today's class, where it is certain."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from adapter_merge.adapters.hollow.inject import Misfit
from adapter_merge.adapters.hollow.today import todays
from adapter_merge.plan import LayerTensor
from adapter_merge.skeleton import Skeleton

_SHAPES = {
    "model.embed_tokens.weight": (8, 4),
    "model.layers.0.attn.in_proj_weight": (12, 4),
    "model.layers.0.attn.out_proj.weight": (4, 4),
    "model.layers.0.q_proj.weight": (4, 4),
    "lm_head.weight": (8, 4),
}
_CLASS = Skeleton(
    name="Tiny",
    version="0",
    shapes=_SHAPES,
    prefix="model",
    parts=(),
    tied={"lm_head.weight": "model.embed_tokens.weight"},
    renamings=(),
    converters=(),
)


def of(**stored: str) -> Mapping[LayerTensor, str]:
    """Weights that are planned: the adapter's module, with `_` for a dot, and the file's tensor."""
    return {
        LayerTensor(adapter=0, module=module.replace("_", "."), parameter="weight"): tensor
        for module, tensor in stored.items()
    }


def test_a_module_is_the_one_that_its_tensor_belongs_to() -> None:
    found = todays(of(text_0_q="layers.0.q_proj.weight"), (), _CLASS)
    assert found == {"text.0.q": "model.layers.0.q_proj"}


def test_a_head_that_shares_its_weight_stays_the_head() -> None:
    tied = "model.embed_tokens.weight"
    planned = {
        LayerTensor(adapter=0, module=f"text.{module}", parameter="weight"): tied
        for module in ("lm_head", "embed_tokens")
    }
    assert todays(planned, (), _CLASS) == {
        "text.lm_head": "lm_head",
        "text.embed_tokens": "model.embed_tokens",
    }


def test_what_an_attention_merges_goes_with_it() -> None:
    planned = {
        LayerTensor(adapter=0, module="old.attn", parameter=parameter): f"layers.0.attn.{parameter}"
        for parameter in ("in_proj_weight", "out_proj.weight")
    }
    assert todays(planned, ("old.attn", "old.attn.out_proj"), _CLASS) == {
        "old.attn": "model.layers.0.attn",
        "old.attn.out_proj": "model.layers.0.attn.out_proj",
    }


@pytest.mark.parametrize(
    ("planned", "message"),
    [
        (of(a="layers.0.q_proj.weight", b="model.layers.0.q_proj.weight"), "are one module today"),
        (of(a="layers.0.qkv.weight"), "no parameter of its own"),
        (of(a="layers.0.attn.in_proj_weight"), "no parameter of its own"),
    ],
)
def test_what_is_not_certain_is_refused(planned: Mapping[LayerTensor, str], message: str) -> None:
    with pytest.raises(Misfit, match=message):
        todays(planned, (), _CLASS)
