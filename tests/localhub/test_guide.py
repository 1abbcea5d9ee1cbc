"""What the guide has people type in two terminals works, with the real client."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.localhub.test_contract import client_environment
from tests.localhub.test_restart import served

ROOT = Path(__file__).parent.parent.parent
GUIDE = (ROOT / "docs" / "guides" / "localhub.md").read_text(encoding="utf-8")


def test_the_terminals_of_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *others = re.findall(r"^\$ (.*)$", GUIDE, re.MULTILINE)
    options = shlex.split(first.removeprefix("adapter-merge localhub serve"))
    assert options == ["--port", "8970", "--data", "./my-hub"]
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "second"
    adapter = elsewhere / "my-adapter"
    adapter.mkdir(parents=True)
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(os.urandom(1000))
    with served(Path(options[-1])) as (url, _):
        typed = "\n".join(others).replace("http://127.0.0.1:8970", url)
        environment = client_environment(tmp_path / "home", url, xet=True)
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        subprocess.run(["/bin/sh", "-ec", typed], cwd=elsewhere, env=environment, check=True)
    for path in adapter.iterdir():
        assert (elsewhere / "again" / path.name).read_bytes() == path.read_bytes()
