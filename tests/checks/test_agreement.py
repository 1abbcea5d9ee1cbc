"""T011: what the adapter's config selects against what its file holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_merge.finding import Finding, Outcome
from tests.build import DOWN, UP, Case, adapter_tensors, make_case, write_adapter

LISTS = ["up_proj", "down_proj"]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


def finding(case: Case, name: str, **config: object) -> Finding:
    adapter = write_adapter(case.adapter.parent / name, adapter_tensors(), **config)
    report = case.run(adapters=(str(adapter),), overwrite=True)
    assert report.status == "merged", report.error
    (found,) = (f for f in report.findings if f.code == "T011")
    return found


# The file adapts `up_proj` of layer 0 and `down_proj` of layer 1.
@pytest.mark.parametrize(
    "config",
    [
        {"target_modules": [UP, DOWN]},
        {"target_modules": r".*\.(0\.mlp\.up|1\.mlp\.down)_proj"},
        {"target_modules": "all-linear"},
        {"target_modules": None},
        {"target_modules": ["0.mlp.up_proj", "down_proj"], "layers_to_transform": [0, 1],
         "exclude_modules": ["0.mlp.down_proj"]},
        {"target_modules": LISTS, "exclude_modules": r".*(0.mlp.down|1.mlp.up)_proj"},
        {"target_modules": [UP], "target_parameters": ["down_proj.weight"]},
        {"target_modules": [], "target_parameters": ["weight"]},
    ],
    ids=str,
)  # fmt: skip
def test_config_and_file_agree(case: Case, config: dict[str, object]) -> None:
    assert finding(case, "good", **config).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("config", "stray", "absent"),
    [
        ({"target_modules": [UP]}, [DOWN], []),
        ({"target_modules": LISTS}, [], ["model.layers.0.mlp.down_proj", "model.layers.1.mlp.up_proj"]),
        ({"target_modules": LISTS, "layers_to_transform": 0}, [DOWN], ["model.layers.0.mlp.down_proj"]),
        ({"target_modules": LISTS, "layers_to_transform": [1], "layers_pattern": "layers"}, [UP],
         ["model.layers.1.mlp.up_proj"]),
        ({"target_modules": r".*up_proj"}, [DOWN], []),
        ({"target_modules": [UP], "target_parameters": ["up_proj.weight"]}, [DOWN], []),
        ({"target_modules": [UP, DOWN], "modules_to_save": ["down_proj"]}, [DOWN], []),
    ],
    ids=str,
)  # fmt: skip
def test_config_and_file_disagree(
    case: Case, config: dict[str, object], stray: list[str], absent: list[str]
) -> None:
    found = finding(case, "odd", **config)
    assert found.outcome is Outcome.WARN
    assert found.evidence == {"not_selected": stray, "not_adapted": absent}
    assert all(name in found.message for name in (*stray, *absent))
