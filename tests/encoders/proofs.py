"""Merges of tiny real classes, made once, and their proofs, run in this process: a child starts for seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from adapter_merge import assemble
from adapter_merge.checks.outputs import (
    LoadsAlike,
    OutputsEqual,
    PlainLoaderTold,
    ProbesReach,
    RoundingShown,
)
from adapter_merge.checks.seen import Seen
from adapter_merge.checks.side import look_beside
from adapter_merge.encoders import ModelEncoder
from adapter_merge.encoders.job import STEPS, Job, Place
from adapter_merge.encoders.program import answer
from adapter_merge.finding import Finding, Outcome
from adapter_merge.plan import Plan
from adapter_merge.probed import Probed, Ran
from adapter_merge.request import Request
from adapter_merge.sources import Sources
from adapter_merge.stages.draft import draft
from adapter_merge.stages.resolve import resolve

# The configs of tiny classes name tokens that their vocabularies don't have.
SPARED = ("F005", "F006", "T014")
CHECKS = (OutputsEqual(), LoadsAlike(), ProbesReach(), RoundingShown(), PlainLoaderTold())


@dataclass(frozen=True, kw_only=True)
class Merge:
    """A merge that was made well."""

    base: Path
    folder: Path
    plan: Plan
    sources: Sources


def merge(base: Path, adapters: tuple[str, ...], to: Path, **settings: object) -> Merge:
    """Merge without a proof."""
    values = {"base": str(base), "adapters": adapters, "to": str(to), "ignore": SPARED}
    request = Request.model_validate({**values, "probe": "off", "workers": 1, **settings})
    report = assemble.run(request)
    assert report.error is None, report.error
    sources = resolve(request, verb="check")
    return Merge(base=base, folder=to, plan=draft(request, sources), sources=sources)


def encoder(**given: object) -> ModelEncoder:
    """One that works in this process."""
    usual = {"own": None, "device": "cpu", "free": lambda: 10**11, "threads": 1, "patient": True}
    return ModelEncoder(**{"start": here, **usual, **given})  # type: ignore[arg-type]


def here(job: Job, place: Place, *, seconds: float, done: Callable[[int], None]) -> int:
    """A `Start` that leaves this process as it was."""
    place.log.touch()
    threads = torch.get_num_threads()
    try:
        answer(job, place)
    finally:
        torch.set_grad_enabled(True)
        torch.set_num_threads(threads)
    done(STEPS)
    return 0


def prove(made: Merge, folder: Path | None = None, **given: object) -> Probed:
    """Run base with adapter, and a folder."""
    to = folder or made.folder
    return encoder(**given).probe(made.plan, made.sources, to, advance=lambda _n: None)


def ran(made: Merge, folder: Path | None = None, **given: object) -> Ran:
    """The same, where it has to work."""
    found = prove(made, folder, **given)
    assert isinstance(found, Ran), found
    return found


def judged(
    probed: Probed | None, *, foreign: bool = False, plan: Plan | None = None
) -> dict[str, Finding]:
    """What the checks say of it."""
    return {f.code: f for f in findings(probed, foreign=foreign, plan=plan)}


def findings(
    probed: Probed | None, *, foreign: bool = False, plan: Plan | None = None
) -> list[Finding]:
    """The same, all of each check."""
    seen = Seen(
        name="merged",
        files={},
        recorded=None,
        checkpoint=None,
        trouble=None,
        side=look_beside(Path(), {}),
        plan=plan,
        sources=None,
        looks={},
        tied=None,
        foreign=foreign,
        probed=probed,
    )
    return [f for check in CHECKS for f in check.judge(seen)]


def failing(probed: Probed) -> set[str]:
    """The codes that fail."""
    return {code for code, f in judged(probed).items() if f.outcome is Outcome.FAIL}
