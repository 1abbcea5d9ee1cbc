"""The classes of colpali-engine that give one vector: merged, run beside base and adapter, and spoilt."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from adapter_merge.finding import Outcome
from adapter_merge.flavours.colpali import PROCESSORS, UNTABLED
from tests.contract import makers
from tests.encoders.proofs import Merge, failing, judged, merge, ran
from tests.flavours.test_snippets import of_engine

pytestmark = pytest.mark.colpali

_LAYERS = r"(?!.*head\.attention)(.*\.)?([qkvo]_proj|out_proj|gate_proj|up_proj|down_proj|fc1|fc2|qkv|proj|mlp\.0|Wqkv|Wo|Wi)"
CLASSES = sorted(name for name in PROCESSORS if name.startswith("Bi"))


def _merged(name: str, root: Path) -> Merge:
    """Base, adapter and result of one class."""
    of_engine(name)(root / "base")
    makers.save_adapter(
        _loaded(name, root / "base"),
        root / "adapter",
        {"r": 4, "lora_alpha": 6, "target_modules": _LAYERS},
    )
    return merge(root / "base", (str(root / "adapter"),), root / "out")


def _loaded(name: str, folder: Path) -> Any:
    given: dict[str, Any] = {"key_mapping": {}} if name in UNTABLED else {}
    return getattr(import_module("colpali_engine.models"), name).from_pretrained(folder, **given)


@pytest.mark.parametrize("name", CLASSES)
def test_base_with_adapter_and_the_merged_model_give_the_same_vectors(
    name: str, tmp_path: Path
) -> None:
    found = ran(_merged(name, tmp_path))
    verdict = judged(found)
    assert not failing(found), verdict
    assert verdict["E001"].outcome is Outcome.PASS
    assert {d.group for d in found.distances} >= {"query.pooled", "page.pooled"}
    assert found.reference.kind == name


@pytest.mark.parametrize("name", CLASSES)
def test_a_result_that_has_the_base_s_weights_is_found(name: str, tmp_path: Path) -> None:
    made = _merged(name, tmp_path)
    weights = "model.safetensors"
    save_file(load_file(made.base / weights), made.folder / weights, metadata={"format": "pt"})
    assert "E001" in failing(ran(made))
