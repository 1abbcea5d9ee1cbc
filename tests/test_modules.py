from __future__ import annotations

import pytest

from adapter_merge.modules import Seat, moved, seat


@pytest.mark.parametrize(
    ("tensor", "stack", "layer", "kind"),
    [
        ("model.layers.3.self_attn.q_proj.weight", "model.layers", 3, "self_attn.q_proj"),
        ("h.0.attn.c_attn.bias", "h", 0, "attn.c_attn.bias"),
        ("layers.1.mlp.experts.7.up_proj.weight", "layers", 1, "mlp.experts.*.up_proj"),
        ("model.visual.blocks.10.attn.qkv.weight", "model.visual.blocks", 10, "attn.qkv"),
        ("lm_head.weight", "", None, "lm_head"),
        ("2_Dense.linear.weight", "", None, "2_Dense.linear"),
        ("model.weight", "", None, "model"),
        ("0.weight", "", None, "0"),
        ("classifier.2.weight", "", None, "classifier.2"),
    ],
)
def test_a_name_says_where_a_tensor_belongs(
    tensor: str, stack: str, layer: int | None, kind: str
) -> None:
    assert seat(tensor) == Seat(stack=stack, layer=layer, kind=kind)


@pytest.mark.parametrize(
    ("name", "new"),
    [
        ("a.b", "x"),
        ("a.b.lora_A.weight", "x.lora_A.weight"),
        ("a.b.c.weight", "y.z.weight"),
        ("a.bc.weight", None),
        ("a", None),
    ],
)
def test_what_lies_in_a_module_moves_with_it(name: str, new: str | None) -> None:
    assert moved(name, {"a.b": "x", "a.b.c": "y.z"}) == new
