"""File times from any age, and a clock that jumps."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.build import (
    make_case,
)
from tests.machine import verified


@pytest.mark.parametrize("moment", [0, -(10**9), 1, 4_102_444_800], ids=str)
def test_files_of_any_age_merge_once(tmp_path: Path, moment: int) -> None:
    case = make_case(tmp_path)
    weights = case.base / "model.safetensors"
    for path in (weights, case.base / "config.json", *case.adapter.iterdir()):
        os.utime(path, (moment, moment))
    assert [case.run().status, case.run().status] == ["merged", "unchanged"]
    # What a base's weights hold is not read again: another time alone may mean other weights.
    os.utime(weights, ns=(0, moment * 10**9 + 1))
    assert [case.run().status, case.run().status] == ["merged", "unchanged"]
    # An adapter is read whole, whatever its time.
    os.utime(case.adapter / "adapter_model.safetensors", (5, 5))
    os.utime(case.to / "model.safetensors", (moment, moment))
    assert case.run().status == "unchanged"


def test_a_clock_that_jumps_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(tmp_path)
    now = [2e9]

    def back() -> float:
        now[0] -= 1e6
        return now[0]

    monkeypatch.setattr(time, "time", back)
    reports = [case.run(), case.run(), case.run(dtype="bf16")]
    assert [r.status for r in reports] == ["merged", "unchanged", "merged"]
    assert all(0 <= s < 60 for r in reports for s in r.seconds.values())
    verified(case)
