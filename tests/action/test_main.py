"""Whole steps in a process of their own, on folders: outputs, summary, a release, and no word of a token."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.build import make_case
from tests.github.stub import REPO, TOKEN, github_stub

_OUTPUT = re.compile(r"^([\w-]+)<<(end-\w{32})\n(.*?)\n\2$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Ended:
    code: int
    log: str
    summary: str
    outputs: Mapping[str, str]


def step(
    place: Path,
    *,
    env: Mapping[str, str] | None = None,
    stopped: Callable[[], bool] | None = None,
    **inputs: str,
) -> Ended:
    """Run a step; once `stopped` says so, stop it as the runner does."""
    place.mkdir(exist_ok=True)
    out, told = place / "outputs", place / "summary.md"
    out.unlink(missing_ok=True)
    told.unlink(missing_ok=True)
    runner = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(out),
        "GITHUB_STEP_SUMMARY": str(told),
        "GITHUB_REPOSITORY": REPO,
        "GITHUB_RUN_ID": "7",
        "GITHUB_SHA": "a" * 40,
        "RUNNER_TEMP": str(place),
        **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
    }
    with subprocess.Popen(
        [sys.executable, "-I", "-m", "adapter_merge.action"],
        env={**os.environ, **runner, **(env or {})},
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        if stopped is not None:
            while not stopped():
                time.sleep(0.02)
            for number in (signal.SIGINT, signal.SIGTERM):
                process.send_signal(number)
                time.sleep(0.05)
        log, _ = process.communicate()
    # A later value is the one that counts; there should be none.
    found = _OUTPUT.findall(out.read_text())
    assert len(found) == len({name for name, _, _ in found})
    values = {name: value for name, _, value in found}
    return Ended(code=process.returncode, log=log, summary=told.read_text(), outputs=values)


def test_a_folder_has_its_receipt_with_the_run_and_its_digests(tmp_path: Path) -> None:
    case = make_case(tmp_path / "case")

    ended = step(
        tmp_path / "step",
        adapter=str(case.adapter),
        base=str(case.base),
        to=str(case.to),
        probe="off",
    )

    assert (ended.code, ended.outputs["status"]) == (0, "merged"), ended.log
    receipt = json.loads(Path(ended.outputs["receipt"]).read_text())
    assert receipt["run"]["run_id"] == 7
    assert ended.outputs["merged-repo"] == str(case.to)
    words = ["sha256sum", "--check", "--strict", ended.outputs["checksums"]]
    subprocess.run(words, cwd=case.to, check=True, capture_output=True)


def test_makes_one_release_however_often_it_runs(tmp_path: Path) -> None:
    case = make_case(tmp_path / "case")
    inputs = {"adapter": str(case.adapter), "base": str(case.base), "to": str(case.to)}

    with github_stub() as stub:
        api = {"GITHUB_API_URL": stub.url}
        ends = [
            step(
                tmp_path / "step",
                env=api,
                stopped=None,
                release="draft",
                github_token=TOKEN,
                probe="off",
                **inputs,
            )
            for _ in range(2)
        ]

    assert [e.code for e in ends] == [0, 0], ends[0].log + ends[1].log
    assert [e.outputs["status"] for e in ends] == ["merged", "unchanged"]
    assert ends[0].outputs["release-url"] == ends[1].outputs["release-url"] != ""
    assert len(stub.state.releases) == 1
    # The second run found nothing to write: the page stays that of the run which merged.
    assert stub.asked("POST .*/assets") == 3
    assert stub.asked("DELETE") == 0
    for ended in ends:
        shown = ended.log.replace(f"::add-mask::{TOKEN}", "")
        assert TOKEN not in f"{shown}{ended.summary}{ended.outputs}"


def test_a_result_stands_where_its_release_is_refused(tmp_path: Path) -> None:
    case = make_case(tmp_path / "case")

    ended = step(
        tmp_path / "step",
        adapter=str(case.adapter),
        base=str(case.base),
        to=str(case.to),
        release="draft",
        probe="off",
    )

    assert (ended.code, ended.outputs["status"]) == (2, "merged"), ended.log
    assert "input `release` needs the input `github-token`" in ended.log
    assert ended.outputs["release-url"] == ""


def test_nothing_in_the_working_folder_is_imported(tmp_path: Path) -> None:
    place = tmp_path / "step"
    for name in ("adapter_merge", "yaml", "torch", "pydantic"):
        (place / name).mkdir(parents=True)
        (place / name / "__init__.py").write_text("raise SystemExit('imported')")

    ended = step(place, command="verify", folder="./nothing")

    assert ended.code == 3
    assert "imported" not in ended.log
    assert "NotFound" in ended.summary


def test_a_plan_is_kept_as_json(tmp_path: Path) -> None:
    case = make_case(tmp_path / "case")

    ended = step(
        tmp_path / "step",
        command="plan",
        adapter=str(case.adapter),
        base=str(case.base),
        to=str(case.to),
    )

    assert (ended.code, ended.outputs["status"]) == (0, "planned"), ended.log
    plan = json.loads(Path(ended.outputs["report"], "plan.json").read_text())
    assert (plan["to"], plan["schema"]) == (str(case.to), 1)
    assert plan["forecast"]["needed_bytes"] > 0
