"""Methods through PEFT's layers, planned from names and headers: nothing here imports torch."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from adapter_merge import assemble
from adapter_merge.errors import AdapterMergeError, Corrupt, PlanError, UnsupportedError
from adapter_merge.plan import Edit
from tests.build import INNER, PREFIX, UP, WIDTH, Case, Tensors, make_case, write_adapter

DORA = {"peft_type": "LORA", "use_dora": True, "r": 4}
ONE = (1, INNER)


def f32(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.ones(shape, np.float32)


def dora(rows: int = INNER) -> Tensors:
    return {
        f"{PREFIX}{UP}.lora_A.weight": f32(4, WIDTH),
        f"{PREFIX}{UP}.lora_B.weight": f32(rows, 4),
        f"{PREFIX}{UP}.lora_magnitude_vector": f32(rows),
    }


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


def written(case: Case, tensors: Tensors, **config: object) -> None:
    shutil.rmtree(case.adapter)
    write_adapter(case.adapter, tensors, **config)


def planned(case: Case, tensors: Tensors, **config: object) -> tuple[Edit, ...]:
    written(case, tensors, **config)
    return assemble.plan(case.request()).edits


def test_a_module_is_one_edit(case: Case) -> None:
    (edit,) = planned(case, dora(), **DORA)
    assert edit.target == f"{UP}.weight"
    assert len(edit.uses) == 3
    assert edit.shares == ()
    ((layer),) = edit.layers
    assert (layer.adapter, layer.module, layer.parameter) == (0, UP, "weight")
    assert not edit.by_rows
    assert edit.reads_base


def test_a_bias_is_left_out_where_the_base_has_none(case: Case) -> None:
    tensors = {f"{PREFIX}{UP}.ia3_l": f32(INNER, 1)}
    (edit,) = planned(case, tensors, peft_type="IA3", target_modules=["up_proj"])
    assert edit.target == f"{UP}.weight"


def test_what_all_modules_share_counts_once(case: Case) -> None:
    other = UP.replace("0", "1", 1)
    tensors = {"base_model.vera_A": f32(2, WIDTH), "base_model.vera_B": f32(INNER, 2)}
    for module in (UP, other):
        tensors[f"{PREFIX}{module}.vera_lambda_b"] = f32(INNER)
        tensors[f"{PREFIX}{module}.vera_lambda_d"] = f32(2)
    written(case, tensors, peft_type="VERA", r=2)
    plan = assemble.plan(case.request())
    assert [len(edit.uses) for edit in plan.edits] == [4, 4]
    assert {t.name for edit in plan.edits for t in edit.shares} == {
        "base_model.vera_A",
        "base_model.vera_B",
    }
    assert plan.counts["adapter_tensors_used"] == 6


FAULTS: dict[str, tuple[Tensors, dict[str, object], type[AdapterMergeError], str]] = {
    "another size": (dora(INNER + 1), DORA, PlanError, UP),
    "a foreign name": ({**dora(), "up.lora_A.weight": f32(4, 8)}, DORA, PlanError, "up.lora_A"),
    "nothing of the method": (
        {f"{PREFIX}model.norm.weight": f32(WIDTH)},
        {"peft_type": "LOHA"},
        Corrupt,
        "no tensor of LOHA",
    ),
    "a rank beyond the file": (dora(), {**DORA, "r": 10**9}, Corrupt, "1000000000"),
    "a rank in a pattern": (
        dora(),
        {**DORA, "rank_pattern": {"x": 10**9}},
        Corrupt,
        "rank_pattern",
    ),
    "a pattern that is none": (
        {f"{PREFIX}{UP}.ia3_l": f32(INNER, 1)},
        {"peft_type": "IA3", "rank_pattern": 5},
        Corrupt,
        "impossible `rank_pattern`",
    ),
    "feedforward modules that are no names": (
        {f"{PREFIX}{UP}.ia3_l": f32(INNER, 1)},
        {"peft_type": "IA3", "feedforward_modules": [1]},
        Corrupt,
        "impossible `feedforward_modules`",
    ),
    "a start that changed the base": (
        dora(),
        {**DORA, "init_lora_weights": "pissa"},
        UnsupportedError,
        "PiSSA",
    ),
    "an option without a merged form": (
        dora(),
        {**DORA, "layer_replication": [[0, 1]]},
        UnsupportedError,
        "layer_replication",
    ),
    "the same tensor twice": (
        {
            **dora(),
            f"{PREFIX}{UP}.bias": f32(INNER),
            f"{PREFIX}{UP}.base_layer.bias": f32(INNER),
        },
        DORA,
        PlanError,
        "twice",
    ),
}


@pytest.mark.parametrize(("tensors", "config", "error", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_found_without_torch(
    tensors: Tensors,
    config: dict[str, object],
    error: type[AdapterMergeError],
    said: str,
    case: Case,
) -> None:
    with pytest.raises(error, match=said):
        planned(case, tensors, **config)


def test_a_plan_needs_no_torch(case: Case) -> None:
    written(case, dora(), **DORA)
    program = (
        "import sys; from adapter_merge import assemble; from adapter_merge.request import Request; "
        f"assemble.plan(Request(adapters=({str(case.adapter)!r},), base={str(case.base)!r}, "
        f"to={str(case.to)!r})); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
