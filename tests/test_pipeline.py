"""The whole run: when it does nothing, what makes it do something, and the one shape of its report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from adapter_merge import assemble
from adapter_merge.finding import Finding, Outcome, Verdict
from adapter_merge.ports import Reporter, Silent
from adapter_merge.report import Report
from tests.build import (
    DOWN,
    PREFIX,
    UP,
    Case,
    change,
    change_json,
    contents,
    debris,
    make_case,
    of_the_merge,
)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


@pytest.fixture
def merged(case: Case) -> Case:
    assert case.run().status == "merged"
    return case


class StopAt(Silent):
    """Somebody who stops the run when a stage begins."""

    def __init__(self, stage: str) -> None:
        self._stage = stage

    def working(self, stage: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        if stage == self._stage:
            raise KeyboardInterrupt
        return super().working(stage, total)


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def test_a_run_seals_every_file(merged: Case) -> None:
    receipt = merged.receipt()
    assert set(contents(merged.to)) == {*receipt.files, "README.md", "merge_receipt.json"}
    assert "README.md" not in receipt.files
    assert {c.path for c in assemble.plan(merged.request()).side_files} < set(receipt.files)
    found = of_the_merge(f.finding() for f in receipt.findings)
    assert {f.outcome for f in found} == {Outcome.PASS, Outcome.SKIP}
    assert receipt.versions["torch"].startswith("2.")
    assert debris(merged.to.parent) == []


def test_findings_name_the_target_not_the_work_folder(merged: Case) -> None:
    assert {f.subject for f in merged.receipt().findings} == {"out"}


def test_equal_inputs_change_nothing(merged: Case) -> None:
    before = {p: p.stat().st_mtime_ns for p in merged.to.rglob("*")}
    report = merged.run()
    assert (report.status, report.error) == ("unchanged", None)
    assert report.files == merged.receipt().files
    assert {p: p.stat().st_mtime_ns for p in merged.to.rglob("*")} == before


def test_an_unchanged_run_needs_no_torch(merged: Case) -> None:
    code = (
        "import sys; from adapter_merge.cli.main import main; code = main(sys.argv[1:]);"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules; sys.exit(code)"
    )
    words = ["run", str(merged.adapter), "--base", str(merged.base), "--to", str(merged.to)]
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--json"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    assert report["status"] == "unchanged"
    assert report["seconds"]["total"] < 1


@pytest.mark.parametrize(
    "alter",
    [
        lambda c: change(c.adapter / "adapter_model.safetensors", lambda t: t.popitem()),
        lambda c: change_json(c.adapter / "adapter_config.json", lora_alpha=16),
        lambda c: touch(c.base / "model.safetensors"),
        lambda c: change(c.base / "model.safetensors", lambda t: t.pop("model.norm.weight")),
        lambda c: change_json(c.base / "config.json", rope_theta=1),
        lambda c: (c.base / "LICENSE").write_text("Apache"),
        lambda c: change_json(c.adapter / "tokenizer.json", model={}),
    ],
    ids=["adapter", "its config", "mtime", "weights", "config", "side file", "tokenizer"],
)  # fmt: skip
def test_other_contents_are_another_recipe(case: Case, alter: Callable[[Case], object]) -> None:
    (case.adapter / "tokenizer.json").write_text("{}")
    before = assemble.plan(case.request()).recipe
    alter(case)
    try:
        after = assemble.plan(case.request()).recipe
    except Exception as e:  # a half pair has no recipe at all
        assert "half a pair" in str(e)  # noqa: PT017
    else:
        assert after != before


@pytest.mark.parametrize(
    "settings", [{"dtype": "bf16"}, {"max_shard_size": "1MB"}, {"adapters": ("{adapter}=0.5",)}]
)
def test_other_settings_are_another_recipe(case: Case, settings: dict[str, object]) -> None:
    before = assemble.plan(case.request()).recipe
    if "adapters" in settings:
        settings = {"adapters": (f"{case.adapter}=0.5",)}
    assert assemble.plan(case.request(**settings)).recipe != before


@pytest.mark.parametrize(
    "alter",
    [
        lambda c: (c.adapter / "README.md").write_text("# Better words"),
        lambda c: (c.base / "README.md").write_text("# Better words"),
        lambda c: (c.adapter / "optimizer.pt").write_bytes(b"state"),
        lambda c: (c.adapter / "notes.txt").write_text("of the training"),
        lambda c: touch(c.adapter / "adapter_model.safetensors"),
    ],
    ids=["card", "base's card", "training state", "notes", "mtime of the adapter"],
)
def test_words_and_leftovers_are_no_new_recipe(
    merged: Case, alter: Callable[[Case], object]
) -> None:
    alter(merged)
    assert merged.run().status == "unchanged"


@pytest.mark.parametrize("settings", [{"workers": 2}, {"strict": ("T010",)}, {"probe": "off"}])
def test_how_it_is_done_is_no_new_recipe(merged: Case, settings: dict[str, object]) -> None:
    assert merged.run(None, **settings).status == "unchanged"


def test_a_damaged_target_is_made_again(merged: Case) -> None:
    (merged.to / "config.json").unlink()
    assert merged.run().status == "merged"
    assert (merged.to / "config.json").exists()


def test_an_unchanged_result_is_weighed_anew(case: Case) -> None:
    change(
        case.adapter / "adapter_model.safetensors",
        lambda t: t.update({k: v * 0 for k, v in t.items() if "lora_B" in k}),
    )
    assert case.run().status == "merged"
    before = contents(case.to)
    report = case.run(strict=("T008",))
    assert report.error is not None
    assert (report.error.type, report.status) == ("CheckFailed", "failed")
    assert contents(case.to) == before
    assert case.run().status == "unchanged"


def test_the_words_of_people_stay(merged: Case) -> None:
    card = merged.to / "README.md"
    card.write_text(card.read_text().replace("# out", "# Mine") + "\n## After\n")
    before = card.read_text()
    assert merged.run().status == "unchanged"
    assert card.read_text() == before
    assert merged.run(dtype="bf16").status == "merged"
    after = card.read_text()
    assert after != before
    assert after.count("# Mine") == after.count("## After") == 1


def test_words_that_cannot_be_read_are_not_dropped(merged: Case) -> None:
    (merged.to / "README.md").unlink()
    (merged.to / "README.md").mkdir()
    error = merged.run(dtype="bf16").error
    assert error is not None
    assert (error.type, error.code) == ("MergeError", 6)
    assert "README.md" in error.message
    assert (merged.to / "README.md").is_dir()
    assert debris(merged.to.parent) == []


def test_the_result_is_the_same_whatever_the_workers(case: Case) -> None:
    found = []
    for workers in (1, 3):
        assert case.run(workers=workers, to=str(case.to) + str(workers)).status == "merged"
        found.append((case.to.parent / f"out{workers}" / "model.safetensors").read_bytes())
    assert found[0] == found[1]


def test_a_failed_check_seals_nothing(case: Case) -> None:
    # A delta of zero warns (T008); strict makes it a failure.
    zero = {
        f"{PREFIX}{m}.lora_B.weight": np.zeros((n, 4), np.float32) for m, n in ((UP, 24), (DOWN, 8))
    }
    change(case.adapter / "adapter_model.safetensors", lambda t: t.update(zero))
    report = case.run(strict=("T008",))
    assert report.error is not None
    assert (report.status, report.error.type, report.error.code) == ("failed", "CheckFailed", 7)
    assert "`adapter-merge codes T008`" in report.error.hint
    assert any(f.code == "T008" and f.outcome is Outcome.FAIL for f in report.findings)
    assert not case.to.exists()
    assert debris(case.to.parent) == []
    kept = case.run(strict=("T008",), keep_failed=True)
    assert kept.error is not None
    (folder,) = debris(case.to.parent)
    assert folder in kept.error.hint
    assert case.run().status == "merged"
    assert [f.outcome for f in case.run().findings if f.code == "T008"] == [Outcome.WARN]


def test_success_and_failure_have_one_shape(merged: Case) -> None:
    good = merged.run(dtype="bf16")
    bad = merged.run(base="./nowhere")
    shape = TypeAdapter(Report)
    first, second = (json.loads(shape.dump_json(r)) for r in (good, bad))
    assert first.keys() == second.keys()
    assert first["error"] is None
    assert set(second["error"]) == {"type", "code", "message", "hint"}
    assert set(first["counts"]) == {
        "tensors_total",
        "tensors_edited",
        "tensors_copied",
        "adapter_tensors_total",
        "adapter_tensors_used",
    }
    assert all(
        set(f) == {"code", "outcome", "subject", "message", "evidence"} for f in first["findings"]
    )
    assert first["counts"] == {
        "tensors_total": 7,
        "tensors_edited": 2,
        "tensors_copied": 5,
        "adapter_tensors_total": 4,
        "adapter_tensors_used": 4,
    }


@pytest.mark.parametrize("stage", ["merge", "validate"])
@pytest.mark.parametrize("stood", [True, False])
def test_a_stop_is_reported_and_leaves_the_target_alone(
    case: Case, stage: str, stood: bool
) -> None:
    if stood:
        assert case.run().status == "merged"
    before = contents(case.to)
    report = case.run(StopAt(stage), dtype="bf16")
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("Interrupted", 130)
    assert (report.status, report.files) == ("failed", {})
    assert contents(case.to) == before
    assert case.to.exists() == stood
    assert debris(case.to.parent) == []


@pytest.mark.parametrize(
    ("settings", "reporter", "stages"),
    [
        ({"base": "./nowhere"}, None, "resolve"),
        ({"native": True}, None, "resolve draft"),
        ({"dtype": "bf16"}, StopAt("merge"), "resolve draft import merge"),
        ({"dtype": "bf16"}, StopAt("validate"), "resolve draft import merge validate"),
        ({"dtype": "bf16"}, None, "resolve draft import merge validate describe seal"),
        ({}, None, "resolve draft describe"),
    ],
    ids=["no base", "no plan", "stopped", "stopped late", "merged", "unchanged"],
)
def test_a_report_says_how_far_the_run_came(
    merged: Case, settings: dict[str, object], reporter: Reporter | None, stages: str
) -> None:
    report = merged.run(reporter, **settings)
    assert set(report.seconds) == {*stages.split(), "total"}
    *parts, total = report.seconds.values()
    assert total >= max(parts)
    assert report.peak_rss_bytes > 1e6
    assert report.to == str(merged.to)
    is_resolved, is_planned = "base" not in settings, not {"base", "native"} & set(settings)
    assert [a.source for a in report.adapters] == [str(merged.adapter)]
    assert bool(report.adapters[0].digests) == is_resolved
    assert report.base is not None
    assert report.base.source == settings.get("base", str(merged.base))
    assert bool(report.left_behind) == is_planned
    assert report.recipe == (
        assemble.plan(merged.request(**settings)).recipe if is_planned else None
    )
    assert bool(report.counts) == is_planned


@pytest.mark.parametrize(
    ("outcome", "ignore", "strict", "weighed"),
    [
        ("fail", (), (), "fail"),
        ("fail", ("T001",), (), "warn"),
        ("fail", ("T001",), ("all",), "warn"),
        ("warn", (), ("T001",), "fail"),
        ("warn", (), ("all",), "fail"),
        ("warn", (), ("T002",), "warn"),
        ("skip", (), ("all",), "skip"),
        ("pass", ("T001",), (), "pass"),
    ],
)
def test_ignore_and_strict(
    outcome: str, ignore: tuple[str, ...], strict: tuple[str, ...], weighed: str
) -> None:
    finding = Finding(code="T001", outcome=Outcome(outcome), subject="x", message="seen")
    (found,) = Verdict.of((finding,), ignore=ignore, strict=strict).findings
    assert found.outcome == weighed
