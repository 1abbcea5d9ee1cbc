"""Whole runs for the tests of what a machine does to them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from adapter_merge import assemble
from adapter_merge.report import ErrorRecord
from adapter_merge.request import RepoRef
from tests.build import (
    PREFIX,
    UP,
    Case,
    write_adapter,
    write_base,
)


def command(case: Case) -> list[str]:
    return [sys.executable, "-m", "adapter_merge", *arguments(case)]


def arguments(case: Case) -> list[str]:
    words = ["run", str(case.adapter), "--base", str(case.base), "--to", str(case.to)]
    return [*words, "--json", "--workers", "2"]


def large_case(root: Path) -> Case:
    """A base of 64 MB whose largest tensor is edited: a kill can land in every stage."""
    values = np.random.default_rng(0)
    tensors = {
        f"{UP}.weight": values.standard_normal((4096, 2048), dtype=np.float32),
        "model.embed_tokens.weight": values.standard_normal((4096, 2048), dtype=np.float32),
    }
    factors = {
        f"{PREFIX}{UP}.lora_A.weight": values.standard_normal((4, 2048), dtype=np.float32),
        f"{PREFIX}{UP}.lora_B.weight": values.standard_normal((4096, 4), dtype=np.float32),
    }
    sizes = {"vocab_size": 4096, "hidden_size": 2048}
    return Case(
        base=write_base(root / "base", tensors, **sizes),
        adapter=write_adapter(root / "adapter", factors),
        to=root / "out",
    )


def verified(case: Case) -> str:
    """The recipe of the target, once all its files equal the receipt."""
    report = assemble.verify(RepoRef.model_validate(str(case.to)))
    assert report.error is None, report.error
    assert report.recipe is not None
    return report.recipe


def refused(error: ErrorRecord | None, kind: str = "MergeError") -> str:
    """The message of an error with exit code 6."""
    assert error is not None
    assert (error.type, error.code) == (kind, 6)
    return error.message


# One run a line: its arguments, and the seconds after which it is killed. What takes a run's first
# seconds, the imports, is there already, so that every kill meets the merge itself.
_FORKS = """
import json, os, signal, sys, time
import torch
import adapter_merge.hub
from adapter_merge import assemble
from adapter_merge.cli.main import main
for line in sys.stdin:
    words, seconds = json.loads(line)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(main(words))
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forks:
    """Runs that share their imports; `run` gives the exit code, or minus the signal."""

    def __init__(self, ins: IO[str], outs: IO[str]) -> None:
        self._ins, self._outs = ins, outs

    def run(self, words: list[str], kill_after: float | None = None) -> int:
        self._ins.write(json.dumps([words, kill_after]) + "\n")
        self._ins.flush()
        return int(self._outs.readline())


@contextmanager
def forked(**environment: str) -> Iterator[Forks]:
    """A process that forks runs, with more in its environment."""
    with subprocess.Popen(
        [sys.executable, "-c", _FORKS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Forks(process.stdin, process.stdout)
        process.stdin.close()
