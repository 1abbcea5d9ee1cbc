"""Each fault that a merged folder can have is found, under the code that is meant for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.encoders.conftest import MergeOf
from tests.encoders.faults import FAULTS, plant
from tests.encoders.models import KINDS
from tests.encoders.proofs import failing, prove, ran

OUTPUTS, LOADING, BOTH = {"E001"}, {"E002"}, {"E001", "E002"}
ROWS: tuple[tuple[str, str, set[str]], ...] = (
    ("one module lost", "causal", OUTPUTS),
    ("one module lost", "sentence", OUTPUTS),
    ("one module lost", "seeing-idefics3", OUTPUTS),
    ("scale halved", "causal", OUTPUTS),
    ("scale halved", "labels", OUTPUTS),
    ("adapter twice", "seq2seq", OUTPUTS),
    ("adapter twice", "sentence-vectors", OUTPUTS),
    ("not a number", "causal", OUTPUTS),
    ("not a number", "sentence", OUTPUTS),
    ("not a number", "native-colpali", BOTH),
    ("projection lost", "native-colpali", OUTPUTS),
    ("projection lost", "engine-colqwen2", OUTPUTS),
    ("vision lost", "native-colpali", OUTPUTS),
    ("vision lost", "native-colmodernvbert", OUTPUTS),
    ("vision lost", "seeing-paligemma", OUTPUTS),
    ("vision lost", "seeing-gemma3", OUTPUTS),
    ("vision lost", "engine-colpali", OUTPUTS),
    ("wrong base", "gpt2", OUTPUTS),
    ("wrong base", "masked", OUTPUTS),
    ("wrong base", "native-colqwen2", OUTPUTS),
    ("random last layer", "causal", BOTH),
    ("random last layer", "native-colpali", BOTH),
    ("random last layer", "engine-colqwen2", BOTH),
    ("Normalize lost", "sentence", BOTH),
    ("wrong class", "bare", LOADING),
    ("wrong class", "causal", LOADING),
    ("wrong class", "native-colpali", LOADING),
    ("other labels", "labels", LOADING),
    ("prompts lost", "sentence", BOTH),
)


@pytest.mark.parametrize(
    ("fault", "kind", "codes"),
    [
        pytest.param(*row, marks=pytest.mark.colpali) if KINDS[row[1]].runner == "engine" else row
        for row in ROWS
    ],
)
def test_a_planted_fault_is_found(
    merge_of: MergeOf, folder: Path, fault: str, kind: str, codes: set[str]
) -> None:
    made = merge_of(kind)
    assert plant(fault, made.base, made.folder, folder)
    assert failing(prove(made, folder)) == codes


def test_every_fault_has_a_row() -> None:
    assert {fault for fault, _, _ in ROWS} == set(FAULTS)


def test_text_is_perfect_where_only_the_vision_adapter_is_lost(
    merge_of: MergeOf, folder: Path
) -> None:
    made = merge_of("native-colpali")
    assert plant("vision lost", made.base, made.folder, folder)
    errors = {d.group: d.error for d in ran(made, folder).distances}
    assert errors["query.vectors"] < 1e-5
    assert errors["page.vectors"] > 1e-2


def test_a_folder_that_does_not_load_is_a_fault(merge_of: MergeOf, folder: Path) -> None:
    made = merge_of("causal")
    assert plant("scale halved", made.base, made.folder, folder)
    (folder / "tokenizer.json").write_text("{")
    found = ran(made, folder)
    assert found.merged is None
    assert found.trouble
    assert failing(found) == {"E002"}


def test_a_result_without_the_adapter_is_as_far_away_as_the_base(
    merge_of: MergeOf, folder: Path
) -> None:
    made = merge_of("causal")
    (good,) = ran(made).distances
    assert min(good.cosines) > 1 - 1e-9 > max(good.base_cosines)
    shutil.copytree(made.folder, folder)
    shutil.copy(made.base / "model.safetensors", folder)
    (found,) = ran(made, folder).distances
    assert found.cosines == pytest.approx(good.base_cosines, abs=1e-9)
    assert found.base_cosines == good.base_cosines
