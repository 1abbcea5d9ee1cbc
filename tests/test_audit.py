"""`verify` and `check`: folders that stand already, with faults planted in them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from adapter_merge import assemble
from adapter_merge.finding import Outcome
from adapter_merge.report import Report
from adapter_merge.request import AdapterRef, RepoRef, Settings
from tests.build import DOWN, UP, Case, change, change_json, make_case, of_the_merge


@pytest.fixture
def case(tmp_path: Path) -> Case:
    case = make_case(tmp_path)
    assert case.run().status == "merged"
    return case


def ref(folder: Path) -> RepoRef:
    return RepoRef.model_validate(str(folder))


def verify(case: Case) -> Report:
    return assemble.verify(ref(case.to))


def check(case: Case, *, sources: bool = True, **settings: object) -> Report:
    return assemble.check(
        ref(case.to),
        base=ref(case.base) if sources else None,
        adapters=(AdapterRef.model_validate(str(case.adapter)),) if sources else (),
        settings=Settings.model_validate(settings),
    )


def by_outcome(report: Report, outcome: Outcome) -> set[str]:
    return {f.code for f in of_the_merge(report.findings) if f.outcome is outcome}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_result_verifies(case: Case) -> None:
    report = verify(case)
    assert (report.status, report.error) == ("done", None)
    assert {f.outcome for f in report.findings} == {Outcome.PASS}
    assert report.recipe == case.receipt().recipe


@pytest.mark.parametrize("name", ["README.md", ".gitattributes"])
def test_people_and_the_hub_may_write_beside_it(case: Case, name: str) -> None:
    (case.to / name).write_text("# Mine")
    assert verify(case).error is None


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda c: flip(c.to / "model.safetensors"), "`model.safetensors` has other content"),
        (lambda c: (c.to / "config.json").unlink(), "`config.json` is missing"),
        (lambda c: (c.to / "config.json").write_text("{}"), "`config.json` has 2 bytes"),
        (lambda c: (c.to / "adapter_config.json").write_text("{}"), "adapter_config.json` is not"),
        (lambda c: shutil.copytree(c.base, c.to / "old"), "`old/config.json` is not listed"),
    ],
    ids=["flipped bit", "missing", "other size", "adapter beside", "folder beside"],
)
def test_a_mismatch_is_found(case: Case, spoil: Callable[[Case], object], part: str) -> None:
    spoil(case)
    report = verify(case)
    assert report.error is not None
    assert (report.status, report.error.type, report.error.code) == ("failed", "CheckFailed", 7)
    (finding,) = report.findings
    assert part in finding.message


@pytest.mark.parametrize("text", [None, "{}", "[1]", '{"schema_version": 2}'])
def test_without_a_receipt_there_is_nothing_to_verify(case: Case, text: str | None) -> None:
    receipt = case.to / "merge_receipt.json"
    if text is None:
        receipt.unlink()
    else:
        receipt.write_text(text)
    error = verify(case).error
    assert error is not None
    assert (error.type, error.code) == ("NotFound", 3)


def test_our_merge_passes_with_and_without_sources(case: Case) -> None:
    for sources in (True, False):
        report = check(case, sources=sources)
        assert (report.status, report.error) == ("done", None)
        assert not by_outcome(report, Outcome.FAIL) | by_outcome(report, Outcome.WARN)
    assert by_outcome(check(case), Outcome.PASS) > {"T001", "T004", "T005", "T008"}


def test_the_base_passed_off_as_the_merge_is_found(case: Case) -> None:
    shutil.copy(case.base / "model.safetensors", case.to / "model.safetensors")
    report = check(case)
    assert report.error is not None
    assert report.error.code == 7
    assert {"T005", "T008"} <= by_outcome(report, Outcome.FAIL)


def test_half_a_scale_is_found(case: Case) -> None:
    change_json(case.adapter / "adapter_config.json", lora_alpha=4)
    assert "T005" in by_outcome(check(case), Outcome.FAIL)


def test_a_foreign_dtype_only_warns(case: Case) -> None:
    change(
        case.to / "model.safetensors",
        lambda t: t.update({n: v.astype(np.float16) for n, v in t.items()}),
    )
    (case.to / "merge_receipt.json").unlink()
    report = check(case)
    assert report.error is None
    assert "T003" in by_outcome(report, Outcome.WARN)


def test_ignore_and_strict_weigh_findings(case: Case) -> None:
    (case.to / "adapter_config.json").write_text("{}")
    assert by_outcome(check(case, sources=False), Outcome.FAIL) == {"F004"}
    ignored = check(case, sources=False, ignore=("F004",))
    assert ignored.error is None
    assert "F004" in by_outcome(ignored, Outcome.WARN)
    assert "F007" in by_outcome(check(case, sources=False, strict=("all",)), Outcome.FAIL)


def test_a_base_alone_does_not_say_what_was_merged(case: Case) -> None:
    report = assemble.check(ref(case.to), base=ref(case.base), adapters=(), settings=Settings())
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("RequestError", 2)


def test_a_folder_that_is_not_there(case: Case) -> None:
    shutil.rmtree(case.to)
    for report in (check(case), verify(case)):
        assert report.error is not None
        assert report.error.type == "NotFound"


def test_a_folder_without_weights_is_a_finding(case: Case) -> None:
    (case.to / "model.safetensors").unlink()
    report = check(case)
    assert report.error is not None
    assert report.error.type == "CheckFailed"
    assert "F001" in by_outcome(report, Outcome.FAIL)


def test_the_sources_must_fit_each_other(case: Case) -> None:
    change(case.adapter / "adapter_model.safetensors", lambda t: t.pop(next(iter(t))))
    error = check(case).error
    assert error is not None
    assert error.type == "Unclaimed"


def test_evidence_names_the_edited_tensors(case: Case) -> None:
    shutil.copy(case.base / "model.safetensors", case.to / "model.safetensors")
    (finding,) = (f for f in check(case).findings if f.code == "T005")
    assert set(json.loads(json.dumps(finding.evidence))["tensors"]) == {
        f"{UP}.weight",
        f"{DOWN}.weight",
    }
