"""Bundles as plans: what fits, what is written, what a rerun finds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapter_merge import assemble
from adapter_merge.errors import AdapterMergeError, MissingTarget, ShapeMismatch
from adapter_merge.folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS, INDEX
from adapter_merge.plan import Plan
from adapter_merge.request import RepoRef
from tests.build import Case, adapter_tensors, change, contents, make_case, shard
from tests.docs.folders import make_folders


@pytest.fixture
def case(tmp_path: Path) -> Case:
    make_folders(tmp_path)
    return Case(base=tmp_path / "my-base", adapter=tmp_path / "my-adapter", to=tmp_path / "out")


def plan_of(case: Case, **settings: object) -> Plan:
    return assemble.plan(case.request(layout="bundled", **settings))


def test_weights_are_the_base_s_byte_for_byte_and_have_an_index(case: Case) -> None:
    assert case.run(layout="bundled").error is None
    base, made = contents(case.base), contents(case.to)
    assert made["model.safetensors"] == base["model.safetensors"]
    assert made["config.json"] == base["config.json"]
    assert made[ADAPTER_WEIGHTS] == contents(case.adapter)[ADAPTER_WEIGHTS]
    index = json.loads(made[INDEX])
    assert set(index["weight_map"].values()) == {"model.safetensors"}
    assert len(index["weight_map"]) == plan_of(case).counts["tensors_total"]


def test_shards_and_their_index_stay(case: Case) -> None:
    shard(case.base)
    assert case.run(layout="bundled").error is None
    base, made = contents(case.base), contents(case.to)
    kept = {p for p in base if p.startswith("model")}
    assert {p: made[p] for p in kept} == {p: base[p] for p in kept}


def test_no_tensor_is_edited(case: Case) -> None:
    plan = plan_of(case)
    assert plan.counts["tensors_edited"] == 0
    assert plan.counts["adapter_tensors_total"] == 8
    assert all(t.copied for t in plan.tensors.values())


def test_a_rerun_changes_nothing_and_a_move_is_another_bundle(case: Case) -> None:
    assert case.run(layout="bundled").status == "merged"
    before = contents(case.to)
    assert case.run(layout="bundled").status == "unchanged"
    assert contents(case.to) == before
    assert not assemble.verify(RepoRef.model_validate(str(case.to))).error
    moved = case.to.rename(case.to.with_name("moved"))
    again = Case(base=case.base, adapter=case.adapter, to=moved)
    assert again.run(layout="bundled").status == "merged"
    assert json.loads((moved / ADAPTER_CONFIG).read_text())["base_model_name_or_path"] == str(moved)
    assert again.run(layout="bundled", bundle_as="org/name").status == "merged"
    assert again.run(layout="bundled", bundle_as="org/name").status == "unchanged"
    assert again.run().status == "merged"
    assert ADAPTER_CONFIG not in contents(moved)


def _refused(case: Case, **settings: object) -> AdapterMergeError:
    with pytest.raises(AdapterMergeError) as caught:
        plan_of(case, **settings)
    return caught.value


def test_an_adapter_of_another_base_is_refused(tmp_path: Path) -> None:
    made = make_case(tmp_path)
    change(
        made.base / "model.safetensors", lambda ts: ts.pop("model.layers.1.mlp.down_proj.weight")
    )
    assert isinstance(_refused(made), MissingTarget)


def test_a_grown_vocabulary_is_refused(tmp_path: Path) -> None:
    made = make_case(tmp_path)
    rows = np.ones((13, 8), np.float32)
    names = ("model.embed_tokens.weight", "lm_head.weight")
    saved = {**adapter_tensors(), **{f"base_model.model.{n}": rows for n in names}}
    change(made.adapter / ADAPTER_WEIGHTS, lambda ts: ts.update(saved))
    error = _refused(made)
    assert isinstance(error, ShapeMismatch)
    assert "grows the vocabulary to 13 rows" in error.message
    assert "--layout merged" in error.hint


def test_a_head_is_told_by_the_config_alone(tmp_path: Path) -> None:
    """The class that loads it has to have as many labels as the adapter's head has rows."""
    from tests.build import change_json

    made = make_case(tmp_path)
    head = {"base_model.model.score.weight": np.ones((5, 8), np.float32)}
    change(made.adapter / ADAPTER_WEIGHTS, lambda ts: ts.update(head))
    change_json(made.adapter / ADAPTER_CONFIG, task_type="SEQ_CLS", modules_to_save=["score"])
    plan = plan_of(made)
    config = _json(plan, "config.json")
    assert config["architectures"] == ["LlamaForSequenceClassification"]
    assert len(config["id2label"]) == 5
    assert "score.weight" not in plan.tensors


def _json(plan: Plan, path: str) -> Mapping[str, Any]:
    (file,) = (f for f in plan.side_files if f.path == path)
    found: Mapping[str, Any] = json.loads(file.content or b"")
    return found
