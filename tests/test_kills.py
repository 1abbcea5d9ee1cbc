"""Kills, stops and other runs: the target is always one that a run made whole."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapter_merge import assemble
from adapter_merge.plan import Plan
from adapter_merge.ports import Silent
from tests.build import (
    Case,
    change_json,
    debris,
    make_case,
)
from tests.machine import Forks, arguments, command, forked, large_case, refused, verified

KILLS_OF_THE_COMMAND = 10
KILLS_WITHOUT_IMPORTS = 40


@pytest.fixture
def forks() -> Iterator[Forks]:
    with forked() as found:
        yield found


class Landings:
    """What kills left: the target must always be one that a run made whole."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.recipes = {verified(case)}
        self.seen: set[tuple[bool, bool]] = set()

    def change(self, alpha: int) -> None:
        """Ask for another result than the one that stands."""
        change_json(self.case.adapter / "adapter_config.json", lora_alpha=alpha)

    def look(self) -> None:
        wanted = assemble.plan(self.case.request()).recipe
        now = verified(self.case)
        assert now in self.recipes | {wanted}
        self.seen.add((bool(debris(self.case.to.parent)), now == wanted))
        self.recipes.add(now)


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_the_old_target_or_the_new_one(
    tmp_path: Path, forks: Forks
) -> None:
    case = large_case(tmp_path)
    moments = random.Random(4)  # noqa: S311 - moments, not secrets
    start = time.monotonic()
    subprocess.run(command(case), check=True, capture_output=True)
    whole = time.monotonic() - start
    landings = Landings(case)
    for alpha in range(KILLS_OF_THE_COMMAND):
        landings.change(20 + alpha)
        process = subprocess.Popen(
            command(case), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(moments.uniform(0, whole))
        process.kill()
        process.wait()
        landings.look()
    whole = 0.0
    for alpha in (98, 99):  # the first waits for the imports
        landings.change(alpha)
        start = time.monotonic()
        assert forks.run(arguments(case)) == 0
        whole = time.monotonic() - start
        landings.look()
    for alpha in range(KILLS_WITHOUT_IMPORTS):
        landings.change(100 + alpha)
        forks.run(arguments(case), kill_after=moments.uniform(0, 1.1 * whole))
        landings.look()
    assert landings.seen >= {(True, False), (False, True)}, "the kills missed the merge"
    assert forks.run(arguments(case)) == 0
    assert debris(tmp_path) == []
    assert verified(case) == assemble.plan(case.request()).recipe


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    case = large_case(tmp_path)
    process = subprocess.Popen(command(case), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while process.poll() is None and not debris(tmp_path):
        time.sleep(0.002)
    process.send_signal(number)
    output = process.communicate()[0]
    assert process.returncode == 130
    assert json.loads(output)["error"]["type"] == "Interrupted"
    assert not case.to.exists()
    assert debris(tmp_path) == []


@pytest.mark.parametrize("share", [0, 0.2, 0.4, 0.6, 0.8])
def test_a_second_run_ends_with_6_while_the_first_goes_on(
    tmp_path: Path, forks: Forks, share: float
) -> None:
    case = large_case(tmp_path)
    whole = 0.0
    for alpha in (98, 99):  # the first waits for the imports
        change_json(case.adapter / "adapter_config.json", lora_alpha=alpha)
        start = time.monotonic()
        assert forks.run(arguments(case)) == 0
        whole = time.monotonic() - start
    change_json(case.adapter / "adapter_config.json", lora_alpha=100)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(forks.run, arguments(case))
        while not debris(tmp_path):
            time.sleep(0.001)
        time.sleep(share * whole)
        held = debris(tmp_path)
        report = case.run()
        held = held and debris(tmp_path)
        assert first.result() == 0
    assert held or share > 0, "the first run was over before the second began"
    if held or report.error is not None:
        assert "another run" in refused(report.error)
    else:
        assert report.status == "unchanged"
    assert debris(tmp_path) == []
    assert verified(case) == assemble.plan(case.request()).recipe


class Overtaken(Silent):
    """Does something between a run's plan and its first byte."""

    def __init__(self, other: Case) -> None:
        self.other = other
        self.status = ""

    def planned(self, plan: Plan, *_more: object) -> None:
        self.status = self.other.run().status


@pytest.mark.parametrize("old", [False, True], ids=["nothing", "an old result"])
def test_a_run_that_was_overtaken_leaves_what_the_other_made(tmp_path: Path, old: bool) -> None:
    case = make_case(tmp_path)
    if old:
        assert case.run(dtype="fp16").status == "merged"
    reporter = Overtaken(case)
    error = case.run(reporter).error
    assert reporter.status == "merged"
    assert "another run has written the target" in refused(error)
    assert debris(tmp_path) == []
    assert verified(case) == assemble.plan(case.request()).recipe
    assert case.run().status == "unchanged"


@pytest.mark.slow
def test_of_four_runs_at_once_one_merges(tmp_path: Path) -> None:
    case = large_case(tmp_path)
    runs = [
        subprocess.Popen(command(case), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(4)
    ]
    reports = [json.loads(process.communicate()[0]) for process in runs]
    statuses = [report["status"] for report in reports]
    assert statuses.count("merged") == 1
    for report in reports:
        if report["status"] == "failed":
            assert report["error"]["code"] == 6
            assert "another run" in report["error"]["message"]
    assert debris(tmp_path) == []
    assert verified(case) == assemble.plan(case.request()).recipe
