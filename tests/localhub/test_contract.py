"""The real client does what it does on the Hub, with Xet and without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from adapter_merge.localhub import LocalHub
from tests.localhub.steps import STEPS, TOKEN

ROOT = Path(__file__).parent.parent.parent
Results = Mapping[str, str | None]


def client_environment(home: Path, endpoint: str, *, xet: bool) -> dict[str, str]:
    """The environment of a client that knows nothing of this machine's user."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": endpoint,
        "HF_HUB_DISABLE_XET": "0" if xet else "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }


@pytest.fixture(scope="module", params=[True, False], ids=["xet", "lfs"])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What went wrong with each step."""
    folder = tmp_path_factory.mktemp("contract")
    with LocalHub(folder / "hub", xet=request.param) as hub:
        hub.add_user("bot", TOKEN)
        done = subprocess.run(
            [sys.executable, "-m", "tests.localhub.steps", str(folder)],
            env=client_environment(folder / "home", hub.url, xet=request.param),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    found: Results = dict(json.loads(line) for line in done.stdout.splitlines())
    return found


@pytest.mark.parametrize("step", [step.__name__ for step in STEPS])
def test_step(results: Results, step: str) -> None:
    assert results[step] is None, results[step]
