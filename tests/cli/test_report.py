"""`--report`: its files for every end of a run, in a folder that is nobody else's."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from adapter_merge import kept as module
from adapter_merge.cli.options import KeptOutput
from adapter_merge.errors import RequestError
from adapter_merge.kept import keep
from adapter_merge.report import ErrorRecord, Report
from adapter_merge.request import RepoRef
from tests.build import Case, make_case
from tests.cli.conftest import Command
from tests.test_proved import RAN

NAMES = {"report.json", "report.html", "changes.svg"}


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.chdir(tmp_path)
    return make_case(tmp_path)


def files(folder: str) -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


@pytest.mark.parametrize(
    ("line", "code", "status"),
    [
        ("run ./adapter --base ./base --to ./new", 0, "merged"),
        ("run ./adapter --base ./base --to ./out", 0, "unchanged"),
        ("run ./adapter --base ./gone --to ./new", 3, "failed"),
        ("verify ./out", 0, "done"),
        ("check ./out --base ./base --adapter ./adapter", 0, "done"),
        ("check ./gone", 3, "failed"),
    ],
)
def test_each_end_of_a_command_is_kept(
    case: Case, command: Command, line: str, code: int, status: str
) -> None:
    assert case.run().error is None
    ended = command(*line.split(), "--report", "./kept/here", "--json")
    assert ended.code == code
    assert files("./kept/here") == NAMES
    kept = json.loads(Path("kept/here/report.json").read_text())
    assert kept == ended.report
    assert kept["status"] == status
    assert "report kept/here/report.html" in ended.talk


def test_a_page_shows_a_real_merge(case: Case, command: Command) -> None:
    command("run", "./adapter", "--base", "./base", "--to", "./new", "--report", "./kept")
    page = Path("kept/report.html").read_text()
    assert "2</b> of 7 tensors edited" in page
    assert "model.layers.0.mlp.up_proj.weight: " in Path("kept/changes.svg").read_text()
    assert "model.layers.0.mlp.up_proj.weight: " in page


def test_a_bundle_has_no_picture(case: Case, command: Command) -> None:
    """Nothing moved in it; one of an earlier merge goes."""
    for layout in ("merged", "bundled"):
        to = f"./{layout}"
        command(
            "run",
            "./adapter",
            "--base",
            "./base",
            "--to",
            to,
            "--layout",
            layout,
            "--report",
            "./kept",
        )
    assert files("kept") == NAMES - {"changes.svg"}
    assert json.loads(Path("kept/report.json").read_text())["layout"] == "bundled"


def test_a_proof_has_its_picture_and_the_next_run_without_one_has_none(tmp_path: Path) -> None:
    for probe, names in ((RAN, {*NAMES, "probes.svg"}), (None, NAMES)):
        keep(Report(status="done", to="./x", probe=probe), tmp_path)
        assert files(str(tmp_path)) == names
        assert ("text.pooled" in (tmp_path / "report.html").read_text()) is (probe is not None)


def test_only_its_files_are_replaced(case: Case, command: Command) -> None:
    kept = Path("kept")
    kept.mkdir()
    for name in ("notes.txt", "report.html"):
        (kept / name).write_text("old")
    command("run", "./adapter", "--base", "./base", "--report", "./kept")
    assert files("kept") == {*NAMES, "notes.txt"}
    assert (kept / "notes.txt").read_text() == "old"
    assert (kept / "report.html").read_text() != "old"


@pytest.mark.parametrize("folder", ["./out", "./out/report", "./base/x", "./adapter", "./link/x"])
def test_no_model_s_folder_is_written_in(case: Case, command: Command, folder: str) -> None:
    Path("link").symlink_to("base")
    ended = command("run", "./adapter", "--base", "./base", "--to", "./out", "--report", folder)
    assert ended.code == 2
    assert "(RequestError, exit code 2)" in ended.talk
    assert not case.to.exists()
    assert not Path(folder, "report.html").exists()


def test_a_folder_above_the_target_is_fine(case: Case, command: Command) -> None:
    line = ("run", "./adapter", "--base", "./base", "--to", "./all/out", "--report", "./all")
    assert command(*line).code == 0
    assert files("all") == {*NAMES, "out"}


def test_a_folder_that_cannot_be_costs_no_merge(case: Case, command: Command) -> None:
    Path("file").touch()
    ended = command("run", "./adapter", "--base", "./base", "--report", "./file/x")
    assert ended.code == 2
    assert "can't be made" in ended.talk
    assert not Path("adapter-merged").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_without_rights_costs_no_merge(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(RequestError, match="can't be written"):
        module.prepare(locked, apart_from=[])


def test_without_the_option_nothing_is_prepared(tmp_path: Path) -> None:
    KeptOutput().prepare(RepoRef(text="./x", folder=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written_is_no_silent_failure(case: Case, command: Command) -> None:
    Path("kept/report.html").mkdir(parents=True)
    Path("kept/report.html/full").touch()
    ended = command(
        "run", "./adapter", "--base", "./base", "--to", "./new", "--report", "./kept", "--json"
    )
    assert ended.code == 8
    assert (ended.report["status"], ended.report["error"]["type"]) == ("merged", "ReportNotWritten")
    assert Path("new/merge_receipt.json").exists()
    assert "./new, which is merged and in its place" in ended.talk


def test_the_first_failure_counts(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    error = ErrorRecord(type="NotFound", code=3, message="gone", hint="Look.")
    report = Report(status="failed", to="./x", error=error)
    assert KeptOutput(report=tmp_path, quiet=True).give(report) == 3


def test_quiet_keeps_the_files_and_says_nothing(case: Case, command: Command) -> None:
    ended = command("run", "./adapter", "--base", "./base", "--report", "./kept", "--quiet")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert files("kept") == NAMES


def test_a_plan_has_no_report(case: Case, command: Command) -> None:
    ended = command("plan", "./adapter", "--base", "./base", "--report", "./kept")
    assert ended.code == 2
    assert "no option `--report`" in ended.talk
