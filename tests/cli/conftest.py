"""Runs the command line in this process, as the console script does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
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


Command: TypeAlias = Callable[..., Ended]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    def run(*argv: str) -> Ended:
        code = main(argv)
        captured = capfd.readouterr()
        return Ended(code=code, out=captured.out, err=captured.err)

    return run
