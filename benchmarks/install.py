"""Measure what the Action takes until its step begins, without and with what stands from a run before, and write the table.

    make bench-install

Cold is an empty tool cache and no cache of pip's; cached is what `actions/cache` does when it has fetched its archive, unpacking it,
and then the step's own look; kept is a runner of one's own, where the environment stands. The line between runner and index, or
cache, isn't part of what a program can do: it is this machine's.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter

import results

ROOT = Path(__file__).parent.parent
PARTS = (
    "action",
    "src",
    "requirements.lock",
    "constraints.txt",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)
ROUNDS = 3
WISHES = {
    "skip": "`torch: skip`",
    "auto": "`torch: auto`, a torch that the runner's Python imports",
}
LIMITS = {"cold": 60.0, "cached": 15.0}


@dataclass(frozen=True, kw_only=True)
class Runner:
    """A machine with a copy of the Action, whose tool cache is empty at first."""

    root: Path
    torch: str

    @property
    def action(self) -> Path:
        return self.root / "action"

    def copy(self) -> None:
        self.action.mkdir()
        for name in PARTS:
            copied = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copied(ROOT / name, self.action / name)

    @property
    def _environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            "ACTION_PATH": str(self.action),
            "INPUT_TORCH": self.torch,
            "RUNNER_TOOL_CACHE": str(self.root / "tools"),
            "GITHUB_OUTPUT": str(self.root / "output"),
            "PIP_NO_CACHE_DIR": "1",
        }

    def ready(self) -> None:
        """Do what the Action's steps do before the one that works."""
        for command in ("key", "install"):
            words = [sys.executable, "-I", str(self.action / "action" / "prepare.py"), command]
            subprocess.run(words, env=self._environment, check=True, capture_output=True)

    @property
    def archive(self) -> Path:
        return self.root / "cache.tar.zst"

    def pack(self) -> None:
        words = ["tar", "--zstd", "-cf", str(self.archive), "-C", str(self.root), "tools"]
        subprocess.run(words, check=True)

    def restore(self) -> None:
        subprocess.run(["tar", "--zstd", "-xf", self.archive, "-C", self.root], check=True)
        self.ready()

    def empty(self) -> None:
        shutil.rmtree(self.root / "tools", ignore_errors=True)


def seconds(act: Callable[[], None]) -> float:
    start = perf_counter()
    act()
    return perf_counter() - start


def measured(runner: Runner) -> Mapping[str, list[float]]:
    """Seconds of each round, by the way."""
    found: dict[str, list[float]] = {"cold": [], "cached": [], "kept": []}
    for _ in range(ROUNDS):
        runner.empty()
        found["cold"].append(seconds(runner.ready))
        found["kept"].append(seconds(runner.ready))
        runner.pack()
        runner.empty()
        found["cached"].append(seconds(runner.restore))
    return found


def rows(wish: str, found: Mapping[str, list[float]]) -> list[str]:
    return [
        f"| {WISHES[wish]} | {way} | {median(times):.1f} | {min(times):.1f}-{max(times):.1f} | "
        f"{f'{LIMITS[way]:.0f}' if way in LIMITS else ''} |"
        for way, times in found.items()
    ]


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}; {datetime.now(UTC):%Y-%m-%d}."


def main() -> None:
    """Measure, and write the Action's part of `benchmarks/RESULTS.md`."""
    lines: list[str] = []
    sizes: list[str] = []
    for wish in WISHES:
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            runner = Runner(root=Path(name), torch=wish)
            runner.copy()
            lines += rows(wish, measured(runner))
            sizes.append(f"{runner.archive.stat().st_size / 1e6:.0f} MB for `{wish}`")
    text = (
        "## Until the Action's step begins\n\n"
        f"Written by `make bench-install`. {_machine()} {ROUNDS} rounds. Cold: nothing is there, not even pip's cache. "
        "Cached: the archive of `actions/cache` is unpacked. Kept: the environment stands, as on a runner of one's own. "
        f"The archive has {' and '.join(sizes)}. The index was near this machine, and no cache of GitHub's was asked: how long packages, "
        "the archive, and the build of torch for CPUs (where the runner has no torch) are on the way there is not in these figures.\n\n"
        "| torch | | median s | min-max s | aim |\n| --- | --- | --- | --- | --- |\n"
        + "\n".join(lines)
        + "\n"
    )
    print(text)
    results.write(text)


if __name__ == "__main__":
    main()
