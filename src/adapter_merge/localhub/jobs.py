"""Jobs: a command in a child process of this machine, with its log; the image is only noted."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from adapter_merge.localhub.disk import Document

Stage = Literal["SCHEDULING", "RUNNING", "COMPLETED", "ERROR", "CANCELED"]
ENDED: tuple[Stage, ...] = ("COMPLETED", "ERROR", "CANCELED")
DEFAULT_SECONDS = 1800.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What shall run; the values of secrets are never kept."""

    namespace: str
    image: str | None = None
    space: str | None = None
    command: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    flavor: str = "cpu-basic"
    labels: Mapping[str, str] = field(default_factory=dict)
    seconds: float = DEFAULT_SECONDS


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """An order and how far it has come."""

    id: str
    order: Order
    created: float
    stage: Stage = "SCHEDULING"
    message: str | None = None
    started: float | None = None
    finished: float | None = None


Held = dict[str, Job]


class Jobs:
    """Runs jobs, and keeps what became of them."""

    def __init__(self, root: Path) -> None:
        self._root = root / "jobs"
        self._root.mkdir(parents=True, exist_ok=True)
        self._kept = Document(root / "jobs.json", TypeAdapter(Held), {})
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.RLock()
        for job in self.all():
            if job.stage not in ENDED:
                self._put(replace(job, stage="ERROR", message="the Hub was stopped meanwhile"))

    def all(self) -> list[Job]:
        """Every job, the first one first."""
        return list(self._kept.value.values())

    def get(self, name: str) -> Job | None:
        """A job by its id."""
        return self._kept.value.get(name)

    def start(self, name: str, order: Order, environment: Mapping[str, str]) -> Job:
        """Run an order; `environment` is what it gets beside its own, secrets among it."""
        job = Job(id=name, order=order, created=time.time())
        self._put(job)
        work = threading.Thread(target=self._run, args=(job, environment), daemon=True)
        work.start()
        return job

    def cancel(self, name: str) -> None:
        """Stop a job, with all that it started."""
        with self._lock:
            if name in self._running:
                _kill(self._running[name])
            job = self._kept.value[name]
            if job.stage not in ENDED:
                self._put(replace(job, stage="CANCELED", finished=time.time()))

    def stop(self) -> None:
        """Stop all jobs."""
        for job in self.all():
            self.cancel(job.id)

    def log(self, name: str) -> list[str]:
        """The lines that a job has written so far."""
        path = self._root / name / "log"
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def wait(self, done: Callable[[list[Job]], bool], seconds: float) -> list[Job]:
        """All jobs, once they are as asked.

        Raises:
            TimeoutError: they aren't in that time.
        """
        end = time.monotonic() + seconds
        while not done(self.all()):
            if time.monotonic() > end:
                raise TimeoutError(", ".join(f"{job.id} {job.stage}" for job in self.all()))
            time.sleep(0.02)
        return self.all()

    def _put(self, job: Job) -> None:
        with self._lock:
            self._kept.put({**self._kept.value, job.id: job})

    def _run(self, job: Job, environment: Mapping[str, str]) -> None:
        home = self._root / job.id
        home.mkdir()
        with (home / "log").open("wb") as log:
            try:
                process = self._spawn(job, {**environment, **job.order.environment}, log.fileno())
            except (OSError, ValueError) as e:
                self._end(job.id, "ERROR", str(e))
                return
            if process is None:
                return
            self._end(job.id, *_waited(process, job.order.seconds))

    def _spawn(
        self, job: Job, environment: Mapping[str, str], log: int
    ) -> subprocess.Popen[bytes] | None:
        """Start the process; None where the job was cancelled before."""
        home = self._root / job.id
        with self._lock:
            if self._kept.value[job.id].stage in ENDED:
                return None
            process = subprocess.Popen(  # noqa: S603 - running a caller's command is what a job is
                [*job.order.command, *job.order.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=home,
                env={**_bare(home), "JOB_ID": job.id, **environment},
                start_new_session=True,
            )
            self._running[job.id] = process
            self._put(replace(job, stage="RUNNING", started=time.time()))
        return process

    def _end(self, name: str, stage: Stage, message: str | None) -> None:
        with self._lock:
            self._running.pop(name, None)
            job = self._kept.value[name]
            if job.stage not in ENDED:
                self._put(replace(job, stage=stage, message=message, finished=time.time()))


def _waited(process: subprocess.Popen[bytes], seconds: float) -> tuple[Stage, str | None]:
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        _kill(process)
        process.wait()
        return "ERROR", "Job timeout"
    return ("COMPLETED", None) if code == 0 else ("ERROR", f"Job failed with exit code: {code}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _bare(home: Path) -> dict[str, str]:
    """What a container would have: programs and an empty home, nothing of ours."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {"PATH": path, "HOME": str(home), "HF_HOME": str(home / "hf"), "LANG": "C.UTF-8"}
