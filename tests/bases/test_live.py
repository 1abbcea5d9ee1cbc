"""Names of an adapter's modules that only another class has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from adapter_merge.bases import claims_on, live_modules
from adapter_merge.request import AdapterRef, RepoRef
from adapter_merge.stages.resolve import resolve_adapter, resolve_base
from tests.contract import makers
from tests.contract.makers import change_config, change_tensors, save_adapter, save_base

HEAD, HELD = "base_model.model.", "base_model.model.0.auto_model."
QUERY = "encoder.layer.{}.attention.self.query"


def found(root: Path, rename: str, **config: object) -> Mapping[str, str]:
    """For an adapter of a bare encoder whose names begin in another way."""
    base = save_base(makers.bert(), root / "base")
    lora = {"r": 4, "target_modules": ["query"]}
    adapter = save_adapter(makers.loaded(base, "AutoModel"), root / "adapter", lora)
    change_tensors(adapter, lambda ts: {n.replace(HEAD, rename): t for n, t in ts.items()})
    change_config(adapter, **config)
    source = resolve_adapter(AdapterRef.model_validate(str(adapter)))
    onto = resolve_base(RepoRef.model_validate(str(base)))
    settled, _ = claims_on((source,), onto)
    return live_modules(source, settled.claims, onto, onto.config)


def test_what_held_the_model_is_taken_off(tmp_path: Path) -> None:
    expected = {f"0.auto_model.{QUERY.format(n)}": QUERY.format(n) for n in range(2)}
    assert found(tmp_path, HELD) == expected


@pytest.mark.parametrize("rename", [HEAD, f"{HEAD}bert."])
def test_names_of_the_file_or_with_its_type_s_prefix_stay(tmp_path: Path, rename: str) -> None:
    assert found(tmp_path, rename) == {}


def test_a_rank_by_an_older_name_would_be_lost(tmp_path: Path) -> None:
    """So the names stay as they are, and the check says that loaders lose them."""
    ranks = {f"0.auto_model.{QUERY.format(0)}": 4}
    assert found(tmp_path, HELD, rank_pattern=ranks) == {}
