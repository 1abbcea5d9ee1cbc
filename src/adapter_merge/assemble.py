"""Joins pipeline and edges: the one place that asks the machine for clock, memory and versions."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache as once
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from adapter_merge import audit, pipeline, sendoff, undo
from adapter_merge.encoders import ModelEncoder, free_memory, read_inputs
from adapter_merge.forecast import Forecast
from adapter_merge.github.context import run_record
from adapter_merge.merges import Roster, Wanted
from adapter_merge.pickles import Converter
from adapter_merge.plan import Plan
from adapter_merge.ports import Encoder, Hub, Reporter, Silent, Surroundings
from adapter_merge.publishing import Publishing
from adapter_merge.report import Report
from adapter_merge.request import AdapterRef, RepoRef, Request, Settings
from adapter_merge.running import Machine, reported
from adapter_merge.stages.resolve import resolve

if TYPE_CHECKING:
    from adapter_merge.reconcile import Decision, Failed

_LIBRARIES = ("adapter-merge", "torch", "numpy", "pydantic")
_MOST_WORKERS = 8


def run(request: Request, reporter: Reporter | None = None) -> Report:
    """Merge adapters into a base, check the result and seal it.

    Never raises for what a user can cause: the report's `status` is then `failed`, and its `error` says
    what happened, to which thing, and what to do next.
    """
    return pipeline.run(request, reporter=reporter or Silent(), machine=this_machine())


def plan(request: Request) -> Plan:
    """The dry run: everything that `run` would do, decided from headers and small files.

    Raises:
        AdapterMergeError: the merge can't be done.
    """
    return dry_run(request)[0]


def dry_run(request: Request) -> tuple[Plan, Forecast]:
    """The plan, and what `run` would ask of this machine and of a Hub.

    Raises:
        AdapterMergeError: the merge can't be done.
    """
    machine = this_machine()
    sources = resolve(request, verb="plan", around=machine.around)
    plan = pipeline.drafted(request, sources)
    _encoder(request)  # its inputs can be wrong too
    return plan, pipeline.forecast(request, sources, plan, machine=machine)


def sync(
    entries: Iterable[Wanted],
    *,
    reporter: Reporter | None = None,
    each: Callable[[Report], None] = lambda _: None,
    dry: bool = False,
) -> tuple[Report, ...]:
    """Merge what is due of merges.yaml; every entry has its report, and none stops the others.

    `each` gets a report as soon as it is known. With `dry` nothing is written, and what is due is planned.
    """
    from adapter_merge.reconcile import sync as reconciled

    return reconciled(
        entries,
        reporter=reporter or Silent(),
        machine=this_machine(),
        now=datetime.now(UTC),
        each=each,
        dry=dry,
    )


def expanded(roster: Roster) -> tuple[Wanted, ...]:
    """The entries of a merges.yaml, with those that its watches find on the Hub.

    Raises:
        HubUnavailable: an owner's repositories can't be listed.
    """
    from adapter_merge.reconcile import expand

    return expand(roster, _around())


def decisions(entries: Iterable[Wanted]) -> tuple[Decision | Failed, ...]:
    """What becomes of each entry now; nothing is written."""
    from adapter_merge.reconcile import decisions as decided

    return decided(entries, machine=this_machine(), now=datetime.now(UTC))


def matrix(entries: Iterable[Wanted]) -> Mapping[str, list[Mapping[str, str]]]:
    """The jobs of a GitHub workflow, one for each entry that is due."""
    from adapter_merge.reconcile import matrix as jobs

    return jobs(decisions(entries))


def check(
    folder: RepoRef,
    *,
    base: RepoRef | None,
    adapters: tuple[AdapterRef, ...],
    settings: Settings,
    wanted: frozenset[str] = frozenset(),
    reporter: Reporter | None = None,
) -> Report:
    """Run the checks on anybody's merge; with adapters (and their base) all of them."""
    machine = this_machine()
    work = partial(
        audit.check,
        folder,
        adapters,
        settings.model_copy(update={"base": base}),
        wanted=wanted,
        reporter=reporter or Silent(),
        machine=machine,
    )
    return reported(folder.text, work, machine=machine)


def card(folder: RepoRef) -> str:
    """The model card of a folder of ours, written anew; nothing is changed.

    Raises:
        NotFound: there is no folder, or no receipt in it.
    """
    return audit.card(folder, around=_around())


def verify(folder: RepoRef) -> Report:
    """Compare a folder with its receipt, by size and sha256; README.md apart."""
    machine = this_machine()
    work = partial(audit.verify, folder, machine=machine)
    return reported(folder.text, work, machine=machine, hint=audit.RESTORE)


def publish(
    folder: RepoRef,
    to: RepoRef,
    wish: Publishing,
    *,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> Report:
    """Send a folder that a run made to a Hub, under the rules of a run that publishes."""
    return sendoff.publish(
        folder,
        to,
        wish,
        overwrite=overwrite,
        reporter=reporter or Silent(),
        machine=this_machine(),
    )


def revert(ref: RepoRef, wish: Publishing) -> Report:
    """Restore an earlier result in a repository on a Hub: the one at the ref's revision, or the one before."""
    return undo.revert(ref, wish, machine=this_machine())


def _processors() -> int:
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return found or 1


def _encoder(settings: Settings) -> Encoder | None:
    """What runs models, as the settings ask for it.

    Raises:
        RequestError: the file with inputs can't be read.
    """
    if settings.probe == "off":
        return None
    return ModelEncoder(
        own=None if settings.probes is None else read_inputs(settings.probes),
        device="cpu" if settings.device == "auto" else settings.device,
        free=free_memory,
        threads=min(_processors(), _MOST_WORKERS),
        patient=settings.probe == "require",
    )


def this_machine() -> Machine:
    """What a run takes from this machine."""
    return Machine(
        now=time.monotonic,
        peak_rss=_peak_rss,
        versions=_versions(),
        workers=min(_processors(), _MOST_WORKERS),
        free=free,
        disk=_disk,
        around=_around(),
        encoder=_encoder,
        run=run_record(os.environ),
    )


def _around() -> Surroundings:
    cache = _hub_cache()
    own = cache.parent / "adapter-merge"
    convert = Converter(place=own / "converted")
    return Surroundings(cache=cache, hub=_hub, work=own, unpickle=convert)


@once
def _hub() -> Hub:
    """The Hub that the environment names; its client takes half a second to import."""
    from adapter_merge.hub import connect

    return connect()


def _hub_cache() -> Path:
    """Where the Hub's client keeps what it downloads. Source: huggingface_hub `constants.py`."""
    home = os.environ.get("HF_HOME") or Path(
        os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface"
    )
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home, "hub")).expanduser()


def free(folder: Path) -> int:
    """Bytes that are free where `folder` lies, or would lie."""
    return shutil.disk_usage(_standing(folder)).free


def _disk(folder: Path) -> int:
    """The number of the disk where `folder` lies, or would lie."""
    return _standing(folder).stat().st_dev


def _standing(folder: Path) -> Path:
    whole = folder.absolute()
    return next(p for p in (whole, *whole.parents) if p.exists())


def _peak_rss() -> int:
    # Linux counts in `ru_maxrss` what the parent had when it forked; its own mark is only this process's.
    status = Path("/proc/self/status")
    if status.exists():
        mark = next(n for n in status.read_text().splitlines() if n.startswith("VmHWM:"))
        return int(mark.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _versions() -> Mapping[str, str]:
    """Versions of what computes, from the installed packages: nothing is imported."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
