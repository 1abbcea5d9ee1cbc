"""The registry, and the good folder that every planted fault starts from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from adapter_merge.checks import CHECKS
from adapter_merge.finding import Outcome
from tests.build import OUTPUTS
from tests.checks.tiny import Case, having, make_case, outcomes


def test_codes_are_unique_and_in_order() -> None:
    codes = [check.code for check in CHECKS]
    assert all(re.fullmatch(r"[FTLDE]\d{3}", code) for code in codes)
    assert codes == sorted(set(codes), key=lambda code: ("FTLDE".index(code[0]), code))


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.code)
def test_words_for_people(check: object) -> None:
    for word in ("title", "why", "fix"):
        text = getattr(check, word)
        assert text
        assert "!" not in text


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_good_folder_passes_all(tmp_path: Path, dtype: torch.dtype) -> None:
    found = outcomes(make_case(tmp_path, dtype).own())
    passing = {check.code: {Outcome.PASS} for check in CHECKS}
    # Nothing runs the model, and its class can't be built from this config.
    assert found == {**passing, **{code: {Outcome.SKIP} for code in (*OUTPUTS, "T014")}}


def test_good_folder_of_others_passes(case: Case) -> None:
    # Without a receipt nothing says which sizes the files should have.
    untold = {"F007", "T014", *OUTPUTS}
    assert having(case.foreign(), Outcome.PASS) == {c.code for c in CHECKS} - untold
    assert having(case.foreign(), Outcome.SKIP) == untold


def test_folder_alone_skips_what_needs_sources(case: Case) -> None:
    findings = case.alone()
    assert not having(findings, Outcome.FAIL) | having(findings, Outcome.WARN)
    skipped = [f for f in findings if f.outcome is Outcome.SKIP and f.code.startswith("T")]
    assert {f.code for f in skipped} == {c.code for c in CHECKS if c.code[0] == "T"} - {"T006"}
    needing = [f for f in skipped if f.code != "T014"]
    assert all("--base" in f.message and "--adapter" in f.message for f in needing)


@pytest.mark.parametrize("way", ["own", "foreign", "alone"])
def test_each_check_speaks(case: Case, way: str) -> None:
    findings = getattr(case, way)()
    assert {f.code for f in findings} == {c.code for c in CHECKS}
    assert {f.subject for f in findings} == {"merged"}
