"""The Action as a step of a workflow that act runs on this machine, against a Hub on loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
_PARTS = ("action", "action.yml", "src", "requirements.lock", "constraints.txt")
_BUILT = ("pyproject.toml", "README.md", "LICENSE")
_USES = re.compile(r"uses: (?P<name>[\w/-]+)@(?P<commit>[0-9a-f]{40})")
_OUTPUT = re.compile(r"^\[[^\]]*\]   \| output (?P<name>[\w-]+)=(?P<value>.*)$", re.MULTILINE)
_CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
_GIT = shutil.which("git") or "git"
# What the Action uses of others isn't asked for here: runner and cache are this machine's.
_NOTHING = """\
name: Nothing
description: Does nothing.
runs:
  using: composite
  steps:
    - run: "true"
      shell: bash
"""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A job that act has run."""

    code: int
    log: str
    workspace: Path

    @property
    def outputs(self) -> Mapping[str, str]:
        """The step's outputs, as the step behind it saw them."""
        return {m["name"]: m["value"].strip() for m in _OUTPUT.finditer(self.log)}


@dataclass(kw_only=True)
class Runner:
    """A machine that runs workflows; environments that were made once are kept in its tool cache."""

    root: Path
    url: str
    count: int = 0

    def step(
        self,
        inputs: Mapping[str, str],
        *,
        secrets: Mapping[str, str] | None = None,
        event: str = "push",
        payload: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        merges: str = "",
    ) -> Ended:
        """Run a job with this one step, and one that shows its outputs; `merges` is the repository's list."""
        place = self._place()
        (place / "merges.yaml").write_text(merges)
        _with_the_action(place)
        text = yaml.safe_dump(self._workflow(inputs, event), width=10_000)
        told = place.with_suffix(".json")
        told.write_text(json.dumps(payload or {}))
        words: list[str | Path] = [event, "--eventpath", told]
        return self._job(place, text, words, env=env or {}, secrets=secrets or {})

    def page(self, text: str, uses: str, *, secrets: Mapping[str, str]) -> Ended:
        """Run a workflow as a page has it, in a repository of its own; the Action is at `uses`, as `owner/name@commit`."""
        place, action = self._place(), self.root / "action"
        action.mkdir()
        _with_the_action(action)
        there: list[str | Path] = ["--local-repository", f"https://github.com/{uses}={action}"]
        return self._job(place, text, ["workflow_dispatch", *there], env={}, secrets=secrets)

    def _place(self) -> Path:
        self.count += 1
        place = self.root / f"job{self.count}"
        place.mkdir()
        return place

    def _job(
        self,
        place: Path,
        text: str,
        asked: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        secrets: Mapping[str, str],
    ) -> Ended:
        """Commit the workflow to the repository at `place`, and run what is `asked` of it."""
        path = place / ".github/workflows/merge.yml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        _commit(place)
        words: list[str | Path] = [self._act(), *asked, "-W", path, "-C", place]
        words += ["-P", "ubuntu-latest=-self-hosted", "--no-cache-server"]
        words += ["--action-cache-path", self.root / "act", *self._stubs()]
        environment = {"HF_ENDPOINT": self.url, "HF_HOME": str(self.root / "home")}
        for name, value in {**environment, **env}.items():
            words += ["--env", f"{name}={value}"]
        for name, value in secrets.items():
            words += ["--secret", f"{name}={value}"]
        done = subprocess.run(
            words, env=self._own(), capture_output=True, text=True, timeout=500, check=False
        )
        return Ended(code=done.returncode, log=done.stdout + done.stderr, workspace=place)

    def _act(self) -> str:
        return str(Path(sys.executable).with_name("act"))

    def _own(self) -> dict[str, str]:
        """The runner's Python is this one, whose torch the Action takes."""
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("HF_", "GITHUB_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**kept, "PATH": path, "HOME": str(self.root)}

    def _workflow(self, inputs: Mapping[str, str], event: str) -> Mapping[str, Any]:
        outputs = yaml.safe_load((ROOT / "action.yml").read_text())["outputs"]
        shown = {f"OUT_{n}": n for n in range(len(outputs))}
        names = list(outputs)
        script = "\n".join(
            f"""echo "output {names[n]}=$(tr '\\n' ' ' <<< "${variable}")" """.rstrip()
            for variable, n in shown.items()
        )
        env = {v: f"${{{{ steps.merge.outputs.{names[n]} }}}}" for v, n in shown.items()}
        steps = [
            {"uses": _CHECKOUT},
            {"id": "merge", "uses": "./", "with": dict(inputs)},
            {"if": "always()", "shell": "bash", "env": env, "run": script},
        ]
        return {"on": event, "jobs": {"merge": {"runs-on": "ubuntu-latest", "steps": steps}}}

    def _stubs(self) -> list[str | Path]:
        stub = self.root / "nothing"
        stub.mkdir(exist_ok=True)
        (stub / "action.yml").write_text(_NOTHING)
        used = _USES.findall((ROOT / "action.yml").read_text())
        words: list[str | Path] = []
        for name, commit in used:
            words += ["--local-repository", f"https://github.com/{name}@{commit}={stub}"]
        return words


def _with_the_action(place: Path) -> None:
    """Put the Action at the root of a repository."""
    for name in (*_PARTS, *_BUILT):
        here = ROOT / name
        if here.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(here, place / name, ignore=ignored)
        else:
            shutil.copy2(here, place / name)


def _commit(place: Path) -> None:
    """Make a folder a repository with one commit."""
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "All"]):
        author = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
        subprocess.run([_GIT, *author, *words], cwd=place, check=True)
