"""An adapter's config under live names: what it says of each module stays what it said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from adapter_merge.adapters.hollow.aim import aimed, moved, moved_tensors
from adapter_merge.adapters.hollow.inject import Misfit

_LIVES = {
    "model.layers.0.q_proj": "model.language_model.layers.0.q_proj",
    "model.layers.0.down_proj": "model.language_model.layers.0.down_proj",
}
_SAME = {live: live for live in _LIVES.values()}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("down_proj", []),
        (r"model\.layers\..*\.down_proj", ["down_proj"]),
        (["down_proj"], ["down_proj"]),
        (["proj"], ["down_proj", "q_proj"]),
        (["model.layers.0.q_proj"], ["q_proj"]),
    ],
)
def test_feedforward_modules_are_told_by_the_adapter_s_names(
    given: object, expected: list[str]
) -> None:
    found = aimed({"feedforward_modules": given}, _LIVES, exactly=True)["feedforward_modules"]
    chosen = [n for n in sorted(_LIVES.values()) if re.fullmatch(found, n)]
    assert [n.rpartition(".")[2] for n in chosen] == expected


def test_ranks_are_told_one_by_one() -> None:
    values = {"r": 4, "rank_pattern": {"^model.layers.0.q_proj": 2}, "exclude_modules": ["k_proj"]}
    found = aimed(values, _LIVES, exactly=True)
    ranks = {re.sub(r"[\\^]", "", n): r for n, r in found["rank_pattern"].items()}
    assert ranks == {
        "model.language_model.layers.0.q_proj": 2,
        "model.language_model.layers.0.down_proj": 4,
    }
    assert "exclude_modules" not in found


def test_ranks_that_are_kept_by_tensor_move_with_it() -> None:
    values = {"rank_pattern": {"model.layers.0.q_proj.lora_E": [True, False]}}
    found = aimed(values, _LIVES, exactly=True)
    assert found["rank_pattern"] == {"model.language_model.layers.0.q_proj.lora_E": [True, False]}


@pytest.mark.parametrize(
    "values",
    [
        {"peft_type": "UNILORA"},
        {"peft_type": "TINYLORA"},
        {"n_frequency_pattern": {"q_proj": 2}},
        {"lambda_pattern": {"q_proj": 2.0}},
        {"target_parameters": ["experts.gate_up_proj"]},
        {"rank_pattern": {"model.layers.7.q_proj.lora_E": [True]}},
    ],
)
def test_what_another_tree_would_change_is_refused(values: Mapping[str, Any]) -> None:
    with pytest.raises(Misfit):
        aimed(values, _LIVES, exactly=True)


def test_nothing_is_refused_where_the_names_are_todays() -> None:
    values = {"peft_type": "TINYLORA", "lambda_pattern": {"q_proj": 2.0}}
    assert aimed(values, _SAME, exactly=True)["lambda_pattern"] == {"q_proj": 2.0}


def test_tensors_move_with_their_module_and_shared_ones_stay() -> None:
    tensors = {
        "base_model.vera_A": 1,
        "base_model.model.model.layers.0.q_proj.base_layer.lora_A.weight": 2,
    }
    assert moved_tensors(tensors, _LIVES) == {
        "base_model.vera_A": 1,
        "base_model.model.model.language_model.layers.0.q_proj.base_layer.lora_A.weight": 2,
    }


def test_a_tensor_of_no_module_is_an_error() -> None:
    with pytest.raises(Misfit, match="belongs to no module"):
        moved("model.layers.1.q_proj.lora_A.weight", _LIVES)
