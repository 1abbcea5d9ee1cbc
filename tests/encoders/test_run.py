"""Proofs inside a run and a check: when they are made, what is kept of them, and what stops a result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from adapter_merge import assemble, audit, pipeline
from adapter_merge.errors import RequestError
from adapter_merge.plan import Plan
from adapter_merge.ports import Silent
from adapter_merge.probed import NotRun, Probed
from adapter_merge.receipt import Receipt
from adapter_merge.report import Report
from adapter_merge.request import AdapterRef, RepoRef, Request, Settings
from adapter_merge.running import reported
from adapter_merge.sources import Sources
from tests.build import OUTPUTS, Case, contents, debris, make_case
from tests.checks.test_outputs import GOOD, RAN
from tests.encoders.conftest import MergeOf
from tests.encoders.faults import plant
from tests.encoders.proofs import SPARED
from tests.encoders.test_retrieval import WORST


class Told:
    """A double that says what it was told to, and counts."""

    def __init__(self, probed: Probed) -> None:
        self.probed = probed
        self.folders: list[Path] = []

    def cost(self, plan: Plan) -> None:
        return None

    def probe(
        self, plan: Plan, sources: Sources, merged: Path, *, advance: Callable[[int], None]
    ) -> Probed:
        assert set(plan.tensors)
        assert (merged / "config.json").exists()
        self.folders.append(merged)
        advance(1)
        return self.probed


class Stages(Silent):
    """Remembers which stages were shown."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def working(self, stage: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        self.seen.append(stage)
        return super().working(stage, total)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


def _run(case: Case, told: Told, reporter: Silent | None = None, **settings: object) -> Report:
    request = case.request(**{"workers": 1, "probe": "auto", **settings})
    machine = replace(assemble.this_machine(), encoder=lambda _settings: told)
    return pipeline.run(request, reporter=reporter or Silent(), machine=machine)


def _outcomes(report: Report) -> Mapping[str, str]:
    return {f.code: f.outcome for f in report.findings if f.code in OUTPUTS}


def test_a_result_is_proved_before_it_is_sealed(case: Case) -> None:
    told, stages = Told(RAN), Stages()
    report = _run(case, told, stages)
    assert report.status == "merged"
    assert stages.seen == ["merge", "probe", "validate"]
    assert "probe" in report.seconds
    (folder,) = told.folders
    assert folder != case.to
    assert _outcomes(report) == dict.fromkeys(OUTPUTS, "pass")
    assert report.probe is not None
    assert report.probe.ran
    assert report.probe == case.receipt().probe
    (group,) = report.probe.groups
    assert (group.group, group.effect, group.cosines) == ("text.vectors", 0.1, (0.99999, 1.0))


def test_a_report_has_the_proof_as_json(case: Case) -> None:
    report = _run(case, Told(RAN))
    probe = json.loads(TypeAdapter(Report).dump_json(report))["probe"]
    assert probe["reference"] == probe["merged"] == "Model"
    assert probe["groups"][0]["error"] == 0.004
    assert probe["needs"] is None


def test_a_wrong_result_is_not_sealed(case: Case) -> None:
    wrong = replace(RAN, distances=(replace(GOOD, gap=0.05),))
    report = _run(case, Told(wrong))
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("CheckFailed", 7)
    assert report.probe is not None
    assert not case.to.exists()
    assert debris(case.to.parent) == []


def test_an_unchanged_result_is_not_run_again(case: Case) -> None:
    told = Told(RAN)
    first = _run(case, told)
    before = contents(case.to)
    again = _run(case, told)
    assert again.status == "unchanged"
    assert len(told.folders) == 1
    assert "probe" not in again.seconds
    assert again.probe == first.probe
    assert _outcomes(again) == _outcomes(first)
    assert contents(case.to) == before


def test_what_was_said_of_outputs_is_weighed_anew(case: Case) -> None:
    wrong = Told(replace(RAN, distances=(replace(GOOD, gap=0.05),)))
    assert _run(case, wrong, ignore=("E001",)).status == "merged"
    again = _run(case, wrong)
    assert again.error is not None
    assert again.error.type == "CheckFailed"
    assert "E001" in again.error.message
    assert _run(case, wrong, ignore=("E001",)).status == "unchanged"


def test_what_queries_find_is_kept_and_stops_nothing(case: Case) -> None:
    told = Told(replace(RAN, retrieval=(WORST,)))
    report = _run(case, told)
    assert (report.status, _outcomes(report)) == ("merged", dict.fromkeys(OUTPUTS, "pass"))
    assert report.probe is not None
    assert report.probe == case.receipt().probe
    (found,) = report.probe.retrieval
    assert found.model_dump() == asdict(WORST)
    assert _run(case, told).probe == report.probe


def test_a_receipt_may_know_nothing_of_retrieval(case: Case) -> None:
    told = Told(RAN)
    assert _run(case, told).status == "merged"
    path = case.to / "merge_receipt.json"
    written = json.loads(path.read_text())
    assert written["probe"].pop("retrieval") == []
    path.write_text(json.dumps(written))
    again = _run(case, told)
    assert again.status == "unchanged"
    assert again.probe is not None
    assert again.probe.retrieval == ()


def test_numbers_that_are_not_finite_survive_the_receipt(case: Case) -> None:
    nan = float("nan")
    wrong = Told(replace(RAN, distances=(replace(GOOD, gap=nan, error=nan, cosines=(nan,)),)))
    assert _run(case, wrong, ignore=("E001",)).status == "merged"
    probe = case.receipt().probe
    assert probe is not None
    assert probe.groups[0].gap != probe.groups[0].gap
    assert _run(case, wrong, ignore=("E001",)).status == "unchanged"
    assert len(wrong.folders) == 1


def test_what_can_not_be_run_fails_only_where_it_is_required(case: Case) -> None:
    told = Told(NotRun(needs="a tokenizer, and the base brings none"))
    assert _run(case, told).status == "merged"
    assert _run(case, told).status == "unchanged"
    report = _run(case, told, probe="require")
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("CheckFailed", 7)
    assert "it needs a tokenizer" in report.error.message
    assert len(told.folders) == 2


def test_a_result_that_was_never_run_is_made_again_where_that_is_required(case: Case) -> None:
    told = Told(RAN)
    assert case.run().status == "merged"
    assert _run(case, told).status == "unchanged"
    assert _run(case, told, probe="require").status == "merged"
    assert _run(case, told, probe="require").status == "unchanged"
    assert len(told.folders) == 1


def test_wrong_inputs_are_told_before_anything_is_merged(case: Case) -> None:
    request = case.request(probe="auto", probes="./nowhere.json")
    error = assemble.run(request).error
    assert error is not None
    assert (error.type, error.code) == ("RequestError", 2)
    assert not case.to.exists()
    with pytest.raises(RequestError, match="no inputs can be read"):
        assemble.plan(request)


def test_inputs_for_nothing_are_refused(case: Case) -> None:
    with pytest.raises(ValueError, match="isn't run"):
        case.request(probe="off", probes="./in.json")


def _real(merge_of: MergeOf, to: Path, **settings: object) -> Request:
    made = merge_of("causal")
    values = {
        "base": str(made.base),
        "adapters": (str(made.sources.adapters[0].pinned.root),),
        "to": str(to),
        "ignore": SPARED,
        "probe": "require",
    }
    return Request.model_validate({**values, **settings})


def test_a_real_run_is_proved_by_a_process_of_its_own(merge_of: MergeOf, tmp_path: Path) -> None:
    (tmp_path / "in.yaml").write_text("texts: [A text of one's own., Another]\n")
    request = _real(merge_of, tmp_path / "out", probes=str(tmp_path / "in.yaml"))
    report = assemble.run(request)
    assert report.status == "merged", report.error
    assert _outcomes(report) == dict.fromkeys(OUTPUTS, "pass")
    assert report.probe is not None
    assert [len(g.cosines) for g in report.probe.groups] == [2]
    receipt = Receipt.model_validate_json((tmp_path / "out/merge_receipt.json").read_bytes())
    assert receipt.probe == report.probe
    again = assemble.run(request)
    assert (again.status, again.probe) == ("unchanged", report.probe)
    assert again.seconds["total"] < 1


def test_a_check_runs_what_others_merged(merge_of: MergeOf, tmp_path: Path) -> None:
    made, folder = merge_of("causal"), tmp_path / "spoilt"
    assert plant("scale halved", made.base, made.folder, folder)
    (folder / "merge_receipt.json").unlink()
    request = _real(merge_of, folder)
    report = assemble.check(
        RepoRef.model_validate(str(folder)),
        base=request.base,
        adapters=request.adapters,
        settings=Settings.model_validate({"probe": "require"}),
    )
    assert _outcomes(report)["E001"] == "fail"


def test_a_failed_check_keeps_its_proof(case: Case) -> None:
    wrong = replace(RAN, misfits={}, merged=None, distances=(), trouble="no such class")
    assert case.run().status == "merged"
    machine = replace(assemble.this_machine(), encoder=lambda _settings: Told(wrong))
    work = partial(
        audit.check,
        RepoRef.model_validate(str(case.to)),
        case.request().adapters,
        Settings.model_validate({"base": str(case.base), "strict": ("E002",)}),
        wanted=frozenset(),
        reporter=Silent(),
        machine=machine,
    )
    report = reported(str(case.to), work, machine=machine)
    assert report.error is not None
    assert report.error.type == "CheckFailed"
    assert "no such class" in report.error.message
    assert report.probe is not None
    assert (report.probe.reference, report.probe.merged) == ("Model", None)
    assert report.counts["tensors_edited"]
    assert report.relative_changes


def test_a_check_without_sources_says_what_it_needs(merge_of: MergeOf, tmp_path: Path) -> None:
    shutil.copytree(merge_of("causal").folder, tmp_path / "copy")
    report = assemble.check(
        RepoRef.model_validate(str(tmp_path / "copy")),
        base=None,
        adapters=tuple[AdapterRef, ...](),
        settings=Settings.model_validate({"probe": "require", "ignore": SPARED}),
    )
    assert report.error is not None
    assert "name it with `--base` and `--adapter`" in report.error.message
