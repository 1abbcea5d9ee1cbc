"""Measure a whole run on a Hub beside `hf download` and `hf upload` of as many bytes, and write the table.

    make bench-hub

The Hub is on loopback, so what is measured is programs and disk, not a line. Every round starts with an
empty cache on both sides, and each uploads weights that the Hub hasn't seen; who begins changes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import results
from results import HERE

from adapter_merge.localhub import LocalHub

LAYERS = 6  # about 1.07 GB
ROUNDS = 3
TOKEN = "hf_bot"  # noqa: S105 - of a Hub that lives for a minute
BIN = Path(sys.executable).parent


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One side of a round: seconds, bytes that passed requests, bytes that the Hub's disk grew by."""

    seconds: float
    line: int
    grown: int
    stages: Mapping[str, float]


class Bench:
    """A Hub with the base and an adapter, and both ways to bring something there."""

    def __init__(self, hub: LocalHub, root: Path, *, xet: bool) -> None:
        self.hub = hub
        self.root = root
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("HF_")},
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": str(int(not xet)),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        hub.add_user("bot", TOKEN)
        config = root / "adapter" / "adapter_config.json"
        said = json.loads(config.read_text()) | {"base_model_name_or_path": "bot/base"}
        config.write_text(json.dumps(said))
        for name in ("base", "adapter"):
            self._do("hf", "upload", f"bot/{name}", str(root / name))

    def _do(self, program: str, *words: str, home: str = "home") -> str:
        place = {"HF_HOME": str(self.root / home)}
        done = subprocess.run(
            [BIN / program, *words],
            env={**self._environment, **place},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    def change(self, alpha: int) -> None:
        """Commit an adapter that makes other weights of the base."""
        config = self.root / "adapter" / "adapter_config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"lora_alpha": alpha}))
        self._do("hf", "upload", "bot/adapter", str(config), config.name)

    def ours(self, number: int) -> Sample:
        """Pull, merge, prove and publish."""
        self.change(100 + number)
        run = ("run", "bot/adapter", "--to", f"bot/ours-{number}", "--json", "--quiet")
        return self._measured([("adapter-merge", *run, "--probe", "off")])

    def theirs(self, number: int) -> Sample:
        """Pull as much, merge nothing, and upload another result of that size."""
        self.change(200 + number)
        ready = self.root / "ready"
        folders = (str(self.root / "adapter"), "--base", str(self.root / "base"))
        self._do("adapter-merge", "run", *folders, "--to", str(ready), "--probe", "off", "--quiet")
        pulls = [("hf", "download", f"bot/{name}") for name in ("base", "adapter")]
        found = self._measured([*pulls, ("hf", "upload", f"bot/theirs-{number}", str(ready))])
        shutil.rmtree(ready)
        return found

    def _measured(self, commands: list[tuple[str, ...]]) -> Sample:
        before, lines = _size(self.root / "hub"), len(self.hub.requests)
        start = perf_counter()
        said = [self._do(*words, home="new") for words in commands]
        seconds = perf_counter() - start
        shutil.rmtree(self.root / "new")
        return Sample(
            seconds=seconds,
            line=sum(r.sent + r.received for r in self.hub.requests[lines:]),
            grown=_size(self.root / "hub") - before,
            stages=json.loads(said[0])["seconds"] if len(said) == 1 else {},
        )


def _size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def rounds(root: Path, *, xet: bool) -> list[tuple[Sample, Sample]]:
    """Both sides, several times."""
    found = []
    with LocalHub(root / "hub", xet=xet) as hub:
        bench = Bench(hub, root, xet=xet)
        bench.ours(ROUNDS)  # the Hub on loopback looks at the base for the first time
        for number in range(ROUNDS):
            if number % 2:
                theirs = bench.theirs(number)
                ours = bench.ours(number)
            else:
                ours = bench.ours(number)
                theirs = bench.theirs(number)
            print(f"  ours {ours.seconds:.2f} s, theirs {theirs.seconds:.2f} s", flush=True)
            print(f"  {dict(ours.stages)}", flush=True)
            found.append((ours, theirs))
    shutil.rmtree(root / "hub")
    return found


def rows(name: str, found: list[tuple[Sample, Sample]]) -> list[str]:
    """Two lines of the table and its ratio."""
    ratio = median(ours.seconds / theirs.seconds for ours, theirs in found)
    sides = ("`adapter-merge run`", "`hf download` + `hf upload`")
    lines = []
    for at, side in enumerate(sides):
        samples = [pair[at] for pair in found]
        seconds = [s.seconds for s in samples]
        spread = f"{min(seconds):.2f}-{max(seconds):.2f}"
        line, grown = (
            median(v) / 1e6 for v in ([s.line for s in samples], [s.grown for s in samples])
        )
        ours = f"{ratio:.2f}" if at == 0 else "1"
        cells = (
            side,
            name,
            f"{median(seconds):.2f}",
            spread,
            ours,
            f"{line:.0f} MB",
            f"{grown:.0f} MB",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def share(name: str, found: list[tuple[Sample, Sample]]) -> str:
    """What of our time both sides have to do, and what only we do."""
    stages = [ours.stages for ours, _ in found]
    line = median(s["pull"] + s["publish"] for s in stages)
    work = median(s["import"] + s["merge"] + s["validate"] for s in stages)
    return f"- {name}: {line:.1f} s of ours are to pull and publish, {work:.1f} s to import torch, merge and check."


def main() -> None:
    """Build, measure, write the Hub's part of `benchmarks/RESULTS.md`."""
    lines: list[str] = []
    shares: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        root = Path(name)
        subprocess.run([sys.executable, HERE / "build.py", root, str(LAYERS), "shards"], check=True)
        (root / "base" / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Base\n")
        size = sum(f.stat().st_size for f in (root / "base").glob("*.safetensors"))
        shards = len(list((root / "base").glob("*.safetensors")))
        for word, xet in (("LFS", False), ("Xet", True)):
            print(word, flush=True)
            found = rounds(root, xet=xet)
            lines += rows(word, found)
            shares.append(share(word, found))
    text = (
        "## A whole run on a Hub\n\n"
        f"Written by `make bench-hub`. A Llama checkpoint of {size / 1e9:.2f} GB in {shards} shards and a LoRA on all its "
        "linear layers, on a Hub on loopback; a run pulls, merges, checks and publishes, beside it the Hub's own program "
        f"downloads both and uploads another result. {ROUNDS} rounds, empty caches, in one go. The line is what "
        "requests carried; what goes to and from the Xet store passes none, on either side.\n\n"
        "| what | store | median s | min-max s | ratio | over the line | the Hub grew by |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n" + "\n".join([*lines, "", *shares]) + "\n"
    )
    print(text)
    results.write(text)


if __name__ == "__main__":
    main()
