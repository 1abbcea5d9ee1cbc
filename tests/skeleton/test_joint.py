"""Converters that only put tensors together, told from all others."""

from __future__ import annotations

from typing import Any

import pytest
from transformers.core_model_loading import (
    Concatenate,
    ConversionOps,
    Interleave,
    MergeModulelist,
    Transpose,
    WeightConverter,
)

from adapter_merge.skeleton import Joint
from adapter_merge.skeleton.joint import joint_of, turns

_GATE, _UP = "mlp.experts.*.gate.weight", "mlp.experts.*.up.weight"


def converter(sources: list[str], *operations: ConversionOps) -> Any:
    return WeightConverter(
        source_patterns=list(sources), target_patterns="mlp.experts.both", operations=[*operations]
    )


@pytest.mark.parametrize(
    ("sources", "operations", "place", "expected"),
    [
        ([_UP], [MergeModulelist(dim=0)], 0, Joint(expert=17, part=0, parts=1, axis=None)),
        ([_GATE, _UP], [MergeModulelist(dim=0), Concatenate(dim=1)], 1,
         Joint(expert=17, part=1, parts=2, axis=1)),
        ([_GATE, _UP], [Concatenate(dim=0)], 0, Joint(expert=None, part=0, parts=2, axis=0)),
        ([_UP], [MergeModulelist(dim=1)], 0, None),
        ([_GATE, _UP], [MergeModulelist(dim=0)], 0, None),
        ([_GATE, _UP], [MergeModulelist(dim=0), Concatenate(dim=1), Transpose(1, 2)], 0, None),
        ([_UP], [Concatenate(dim=0, num_shards_attribute="parts")], 0, None),
        ([_GATE, _UP], [Concatenate(dim=0, num_shards_attribute="parts")], 0, None),
        ([_UP], [Transpose(1, 2)], 0, None),
        ([_UP], [Interleave(dim=0)], 0, None),
    ],
)  # fmt: skip
def test_where_a_tensor_is_laid(
    sources: list[str], operations: list[ConversionOps], place: int, expected: Joint | None
) -> None:
    name = f"model.layers.3.{sources[place].replace('*', '17')}"
    acting = converter(sources, *operations)
    assert joint_of(acting, acting.source_patterns[place], name) == expected


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([Transpose(1, 2)], True),
        ([Transpose(0, 1)], False),
        ([Transpose(1, 2), Interleave(dim=0)], False),
        ([MergeModulelist(dim=0)], False),
    ],
)
def test_what_turns(operations: list[ConversionOps], expected: bool) -> None:
    assert turns(converter([_UP], *operations)) is expected
