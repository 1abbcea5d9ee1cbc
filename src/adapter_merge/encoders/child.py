"""Does a job in a process of its own: an empty home, no token, no network, and an end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from adapter_merge.children import environment, isolated
from adapter_merge.encoders.job import STEPS, Job, Place

_OF_CUDA = ("CUDA_HOME", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
_WAIT = 0.2


class Start(Protocol):
    """Does a job and leaves the answer in its place."""

    def __call__(
        self, job: Job, place: Place, *, seconds: float, done: Callable[[int], None]
    ) -> int | None:
        """The exit code; None where it took longer than `seconds`. `done` gets steps that are done since."""
        ...


def run_child(job: Job, place: Place, *, seconds: float, done: Callable[[int], None]) -> int | None:
    """See `Start`."""
    place.job.write_bytes(job.dump())
    command = isolated("-m", "adapter_merge.encoders.program", str(place.root))
    with (
        place.log.open("wb") as log,
        subprocess.Popen(  # noqa: S603 - this interpreter, and a program of ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(place.root, job.device),
            cwd=place.root,
        ) as process,
    ):
        return _wait(process, place, seconds, done)


def _wait(
    process: subprocess.Popen[bytes], place: Place, seconds: float, done: Callable[[int], None]
) -> int | None:
    told, end = 0, time.monotonic() + seconds
    try:
        while process.poll() is None and time.monotonic() < end:
            try:
                process.wait(_WAIT)
            except subprocess.TimeoutExpired:
                steps = place.steps.stat().st_size if place.steps.exists() else 0
                done(steps - told)
                told = steps
        code = process.poll()
    finally:
        process.kill()
    done(STEPS - told)
    return code


def _environment(home: Path, device: str) -> Mapping[str, str]:
    return environment(home, also=() if device == "cpu" else _OF_CUDA)
