"""Runs the command line in this process, as the console script does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from adapter_merge.cli.main import main


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """Stdout, which must be one JSON object and nothing else."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    @property
    def talk(self) -> str:
        """Stderr with every run of white space as one space: lines break where the screen ends."""
        return " ".join(self.err.split())


_PROBE = """
import sys
from adapter_merge.cli.main import main
main(sys.argv[1:])
print(*sys.modules, file=sys.stderr)
"""


def modules_after(line: str, *, cwd: Path) -> set[str]:
    """The modules that a fresh process has loaded when a command has ended."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, *line.split()],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


Command: TypeAlias = Callable[..., Ended]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    def run(*argv: str) -> Ended:
        code = main(argv)
        captured = capfd.readouterr()
        return Ended(code=code, out=captured.out, err=captured.err)

    return run
