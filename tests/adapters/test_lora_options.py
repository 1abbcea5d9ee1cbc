"""Ranks and scales from `adapter_config.json`, as PEFT reads them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from adapter_merge.adapters.lora_options import LoraOptions
from adapter_merge.errors import Corrupt
from adapter_merge.request import AdapterRef
from adapter_merge.sources import Adapter
from adapter_merge.stages.resolve import resolve_adapter
from tests.build import write_adapter

Q, K = "model.layers.0.self_attn.q_proj", "model.layers.10.self_attn.k_proj"


def adapter(root: Path, **config: object) -> Adapter:
    ref = AdapterRef.model_validate(str(write_adapter(root / "adapter", None, **config)))
    return resolve_adapter(ref)


@pytest.mark.parametrize(
    ("config", "q", "k"),
    [
        ({"r": 4, "lora_alpha": 8}, (8, 4), (8, 4)),
        ({"r": 4, "lora_alpha": 8, "use_rslora": True}, (8, 2.0), (8, 2.0)),
        ({"rank_pattern": {"q_proj": 2}}, (8, 2), (8, 4)),
        ({"alpha_pattern": {"q_proj": 3}}, (3, 4), (8, 4)),
        ({"rank_pattern": {"0.self_attn.q_proj": 2}}, (8, 2), (8, 4)),
        # The pattern must begin a part of the path: `0.` does not match inside `10.`.
        ({"rank_pattern": {"0.self_attn.k_proj": 2}}, (8, 4), (8, 4)),
        ({"rank_pattern": {r"layers\.\d+\.self_attn\.[qk]_proj": 6}}, (8, 6), (8, 6)),
        ({"rank_pattern": {"q_proj": 2, "self_attn.q_proj": 3}}, (8, 2), (8, 4)),
        ({"rank_pattern": {"proj": 2}}, (8, 4), (8, 4)),
        ({"rank_pattern": {"q_proj": 9}, "use_rslora": True}, (8, 3.0), (8, 2.0)),
        ({"rank_pattern": None, "alpha_pattern": None}, (8, 4), (8, 4)),
    ],
    ids=str,
)  # fmt: skip
def test_scale(
    tmp_path: Path, config: dict[str, Any], q: tuple[float, float], k: tuple[float, float]
) -> None:
    scales = LoraOptions.of(adapter(tmp_path, **config)).scales((Q, K), label="a")
    found = [(s.alpha, s.divisor) for s in scales.values()]
    assert found == [q, k]


def test_the_root_is_not_rounded(tmp_path: Path) -> None:
    options = LoraOptions.of(adapter(tmp_path, r=5, use_rslora=True))
    assert options.scales((Q,), label="a")[Q].divisor == math.sqrt(5)


@pytest.mark.parametrize(
    ("config", "part"),
    [
        ({"r": 0}, "`r`"),
        ({"r": "many"}, "`r`"),
        ({"lora_alpha": None}, "`lora_alpha`"),
        ({"lora_alpha": math.inf}, "`lora_alpha`"),
        ({"rank_pattern": {"q_proj": 0}}, "`rank_pattern`"),
        ({"alpha_pattern": {"q_proj": math.nan}}, "`alpha_pattern`"),
        ({"rank_pattern": {"q_proj(": 2}}, "`q_proj(`"),
        ({"init_lora_weights": [1]}, "`init_lora_weights`"),
    ],
    ids=str,
)
def test_impossible_values_are_corrupt(tmp_path: Path, config: dict[str, Any], part: str) -> None:
    found = adapter(tmp_path, **config)
    with pytest.raises(Corrupt) as caught:
        LoraOptions.of(found).scales((Q,), label="a")
    assert part in caught.value.message
    assert caught.value.hint
