"""Edited tensors by the lists of layers that they lie in."""

from __future__ import annotations

from adapter_merge.cli.parts import Part, parts_of


def names(stack: str, layers: range, *kinds: str) -> list[str]:
    return [f"{stack}.{n}.{kind}.weight" for n in layers for kind in kinds]


def test_a_stack_is_one_part() -> None:
    targets = names("model.layers", range(32), "self_attn.q_proj", "self_attn.v_proj", "mlp.up")
    parts, outside = parts_of([*targets, "lm_head.weight"])
    assert parts == (
        Part(
            stack="model.layers",
            modules=96,
            layers=32,
            numbers="0-31",
            kinds="mlp: up; self_attn: q_proj, v_proj",
        ),
    )
    assert outside == ("lm_head",)


def test_the_largest_part_stands_first() -> None:
    parts, _ = parts_of([*names("vision", range(2), "fc"), *names("text", range(3), "fc")])
    assert [(p.stack, p.modules) for p in parts] == [("text", 3), ("vision", 2)]


def test_a_kind_that_some_layers_lack_has_its_number() -> None:
    (part,) = parts_of([*names("h", range(4), "q"), *names("h", range(1, 3), "v")])[0]
    assert (part.modules, part.kinds) == (6, "q, v (2)")


def test_layers_are_runs() -> None:
    targets = [f"h.{n}.q.weight" for n in (0, 1, 2, 5, 7, 8)]
    assert parts_of(targets)[0][0].numbers == "0-2, 5, 7-8"


def test_weight_and_bias_are_one_module_and_experts_one_kind() -> None:
    (part,) = parts_of(
        [
            "h.0.q.weight",
            "h.0.q.bias",
            "h.0.experts.0.up.weight",
            "h.0.experts.1.up.weight",
        ]
    )[0]
    assert (part.modules, part.kinds) == (3, "experts.*: up (2); q")
