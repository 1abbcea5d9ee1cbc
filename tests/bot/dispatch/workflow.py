"""A repository on GitHub with the guide's workflow: an event runs the Action's own step as a process of this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.github.stub import State, Workflow

ROOT = Path(__file__).parents[3]
_ERROR = re.compile(r"::error title=([^:]*)::(.*)")
_FIELD = re.compile(r"\$\{\{ github\.event\.client_payload\.(\w+) \}\}")


def run_name() -> str:
    """What the guide's workflow calls its runs."""
    guide = (ROOT / "docs/guides/keep-in-sync.md").read_text(encoding="utf-8")
    workflow = guide.partition("name: Merge a push\n")[2]
    found = re.match(r"run-name: (.*)", workflow)
    assert found is not None
    return found[1].strip('"')


@dataclass
class Repository:
    """Runs the workflow; `environment` is what its jobs see."""

    state: State
    root: Path
    environment: Mapping[str, str]
    document: str = ""
    processes: dict[int, subprocess.Popen[str]] = field(default_factory=dict)
    threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root.mkdir(exist_ok=True)
        self.state.started = self._started
        self.state.cancelled = self._cancelled

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
        for thread in self.threads:
            thread.join()

    def _started(self, event: dict[str, Any]) -> None:
        payload = event["client_payload"]
        title = _FIELD.sub(lambda m: payload.get(m[1], ""), run_name())
        number = self.state.number()
        run = Workflow(id=number, title=title, steps=["Set up job", "Merge", "Complete job"])
        self.state.runs.append(run)
        process = subprocess.Popen(
            [sys.executable, "-m", "adapter_merge.action"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment(event, number),
            cwd=self.root,
            text=True,
        )
        self.processes[number] = process
        run.status, run.ended = "in_progress", 1
        thread = threading.Thread(target=self._follow, args=(run, process))
        self.threads.append(thread)
        thread.start()

    def _environment(self, event: dict[str, Any], number: int) -> dict[str, str]:
        told = {"action": event["event_type"], "client_payload": event["client_payload"]}
        path, merges = self.root / f"event{number}.json", self.root / "merges.yaml"
        path.write_text(json.dumps(told))
        merges.write_text(self.document)
        return {
            **self.environment,
            "INPUT_COMMAND": "sync",
            "INPUT_MERGES": str(merges),
            "INPUT_ONLY": event["client_payload"]["adapter"],
            "GITHUB_EVENT_NAME": "repository_dispatch",
            "GITHUB_EVENT_PATH": str(path),
            "GITHUB_REPOSITORY": "org/models",
            "GITHUB_RUN_ID": str(number),
        }

    def _follow(self, run: Workflow, process: subprocess.Popen[str]) -> None:
        log, _ = process.communicate()
        for line in log.splitlines():
            if (found := _ERROR.match(line)) is not None:
                run.errors.append((unquote(found[1]), unquote(found[2])))
        run.ended = len(run.steps)
        run.conclusion = run.conclusion or ("success" if process.returncode == 0 else "failure")
        run.status = "completed"

    def _cancelled(self, run: Workflow) -> None:
        run.conclusion = "cancelled"
        self.processes[run.id].terminate()


def bare(**environment: str) -> dict[str, str]:
    """What a machine gives to its processes, and nothing of this one's Hub or GitHub."""
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment}
