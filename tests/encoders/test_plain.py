"""What a plain loader would lose, asked without touching the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter_merge.encoders.job import Graft
from adapter_merge.encoders.plain import plain_load
from tests.build import change_json
from tests.contract import makers


@pytest.fixture
def model() -> Any:
    return makers.llama()


@pytest.fixture
def graft(model: Any, tmp_path: Path) -> Graft:
    base = makers.save_base(model, tmp_path / "base")
    trained = makers.loaded(base, "AutoModelForCausalLM")
    folder = makers.save_adapter(trained, tmp_path / "adapter", {"target_modules": ["q_proj"]})
    return Graft(label="./a", folder=str(folder), weight=1.0, modules={})


def test_names_of_today_lose_nothing(model: Any, graft: Graft) -> None:
    before = {n: id(t) for n, t in model.state_dict(keep_vars=True).items()}
    assert plain_load(model, graft) == {
        "adapter": "./a",
        "tensors": 4,
        "missing": [],
        "unexpected": [],
        "refusal": None,
    }
    assert {n: id(t) for n, t in model.state_dict(keep_vars=True).items()} == before


def test_other_names_are_lost(model: Any, graft: Graft) -> None:
    makers.change_tensors(
        Path(graft.folder), lambda ts: {n.replace("layers.1", "blocks.1"): t for n, t in ts.items()}
    )
    found = plain_load(model, graft)
    assert found is not None
    names = {k: [n.partition(".1.")[0] for n in found[k]] for k in ("missing", "unexpected")}  # type: ignore[attr-defined]
    assert names == {
        "missing": ["base_model.model.model.layers"] * 2,
        "unexpected": ["base_model.model.model.blocks"] * 2,
    }


def test_what_peft_refuses_is_told(model: Any, graft: Graft) -> None:
    change_json(Path(graft.folder) / "adapter_config.json", target_modules=["nowhere"])
    found = plain_load(model, graft)
    assert found is not None
    assert str(found["refusal"]).startswith("ValueError: Target modules")


def test_only_a_lora_tells(model: Any, graft: Graft) -> None:
    change_json(Path(graft.folder) / "adapter_config.json", peft_type="VERA")
    assert plain_load(model, graft) is None
