"""Measure a merge beside a plain copy and beside PEFT, in one run, and write the table.

    make bench

Every round runs all contenders one after the other on the same folders, so that a slow moment of the
machine meets them all; the table has medians, and ratios of pairs.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

import results
from results import HERE

LARGE, SMALL = 17, 3  # layers: about 2.5 GB and 0.66 GB
DORA = 7  # layers: about 1.2 GB
ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One process: wall-clock seconds, largest resident memory in bytes, what it printed."""

    seconds: float
    peak: int
    output: str


def measure(command: list[str]) -> Sample:
    """Run a process to its end; a failure stops the benchmark."""
    with tempfile.TemporaryFile() as out:
        start = datetime.now(UTC)
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = (datetime.now(UTC) - start).total_seconds()
        if status:
            sys.exit(f"`{' '.join(command)}` ended with status {status}")
        out.seek(0)
        return Sample(seconds=seconds, peak=usage.ru_maxrss * 1024, output=out.read().decode())


def merge_command(root: Path, target: Path) -> list[str]:
    """Our whole run, with all checks."""
    program = [sys.executable, "-m", "adapter_merge", "run", str(root / "adapter")]
    return [*program, "--base", str(root / "base"), "--to", str(target), "--json", "--quiet"]


def one_round(root: Path, scratch: Path) -> dict[str, Sample]:
    """A copy, our run and PEFT's, each into a new folder."""
    commands = {
        "copy": ["cp", "-r", "--reflink=never", str(root / "base"), str(scratch / "copy")],
        "ours": merge_command(root, scratch / "ours"),
        "peft": [
            sys.executable,
            str(HERE / "peft_merge.py"),
            *(str(p) for p in (root / "base", root / "adapter", scratch / "peft")),
        ],
    }
    samples = {}
    for name, command in commands.items():
        samples[name] = measure(command)
        print(f"  {name}: {samples[name].seconds:.2f} s", flush=True)
        shutil.rmtree(scratch / name)
    return samples


def row(name: str, seconds: list[float], peaks: list[int] | None = None) -> str:
    """One line of the table."""
    peak = f"{median(peaks) / 1e6:.0f} MB" if peaks else ""
    spread = f"{min(seconds):.2f}-{max(seconds):.2f}"
    return f"| {name} | {median(seconds):.2f} | {spread} | {peak} |"


def table(rounds: list[dict[str, Sample]], small: Sample, dora: Sample) -> str:
    """The results as Markdown."""
    copy, ours, peft = ([r[who] for r in rounds] for who in ("copy", "ours", "peft"))
    stages: list[dict[str, float]] = [json.loads(s.output)["seconds"] for s in ours]
    to_copy = median(s["merge"] / c.seconds for s, c in zip(stages, copy, strict=True))
    to_peft = median(p.seconds / o.seconds for p, o in zip(peft, ours, strict=True))
    peak = median(s.peak for s in ours)
    apart = abs(peak - small.peak)
    lines = (
        "| what | median s | min-max s | peak memory |",
        "| --- | --- | --- | --- |",
        row("copy with `cp -r --reflink=never`", [s.seconds for s in copy]),
        row("import of torch", [s["import"] for s in stages]),
        row("merge stage, sha256 included", [s["merge"] for s in stages]),
        row("validate stage", [s["validate"] for s in stages]),
        row("whole `adapter-merge run`", [s.seconds for s in ours], [s.peak for s in ours]),
        row("PEFT: load, merge, save", [s.seconds for s in peft], [s.peak for s in peft]),
        "",
        f"- The merge stage takes {to_copy:.2f} times a plain copy (aim: at most 4.5).",
        f"- The whole run is {to_peft:.1f} times as fast as PEFT (aim: at least 3).",
        f"- Peak memory is {peak / 1e6:.0f} MB (aim: at most 700 MB).",
        f"- It is {apart / 1e6:.0f} MB from that of a small checkpoint (aim: within 60 MB).",
        f"- A DoRA on {DORA} layers, about 1.2 GB, through PEFT's layers: {dora.seconds:.1f} s, its peak memory is {dora.peak / 1e6:.0f} MB (aim: at most 1300 MB).",
        f"- Of that, {seconds_of(dora, 'merge'):.1f} s are to merge and {seconds_of(dora, 'validate'):.1f} s to validate.",
    )
    return "\n".join(lines)


def seconds_of(sample: Sample, stage: str) -> float:
    """How long a stage of our run took."""
    seconds: float = json.loads(sample.output)["seconds"][stage]
    return seconds


def heading(root: Path) -> str:
    """Machine, versions and sizes."""
    size = sum(f.stat().st_size for f in (root / "base").rglob("*.safetensors"))
    libraries = ", ".join(f"{n} {version(n)}" for n in ("torch", "transformers", "peft"))
    return (
        "# Benchmark results\n\n"
        f"Written by `make bench`. A Llama checkpoint of {size / 1e9:.2f} GB in bf16 in one file, LoRA of "
        f"rank 16 on all linear layers, {ROUNDS} rounds, warm page cache.\n\n"
        f"{platform.machine()}, {os.cpu_count()} processors, Linux, Python "
        f"{platform.python_version()}, {libraries}; {datetime.now(UTC):%Y-%m-%d}.\n\n"
    )


def main() -> None:
    """Build, measure, write `benchmarks/RESULTS.md`."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        root = Path(name)
        for size, layers in (("large", LARGE), ("small", SMALL), ("dora", DORA)):
            print(f"building the {size} checkpoint", flush=True)
            subprocess.run(
                [sys.executable, HERE / "build.py", root / size, str(layers), size], check=True
            )
        small = measure(merge_command(root / "small", root / "small-merged"))
        dora = measure(merge_command(root / "dora", root / "dora-merged"))
        rounds = []
        for n in range(ROUNDS):
            print(f"round {n + 1} of {ROUNDS}", flush=True)
            rounds.append(one_round(root / "large", root))
        text = heading(root / "large") + table(rounds, small, dora) + "\n"
    print(text)
    results.write(text)


if __name__ == "__main__":
    main()
