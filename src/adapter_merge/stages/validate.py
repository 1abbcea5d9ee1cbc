"""validate: one pass over the result on the disk, then every check judges what was seen."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from threadpoolctl import threadpool_limits

from adapter_merge.adapters.hollow import open_layers, taken
from adapter_merge.checkpoint import Checkpoint
from adapter_merge.checks import CHECKS, LICENCE_CHECKS
from adapter_merge.checks.look import Place, TensorLook, look_alone, look_at, same_bytes
from adapter_merge.checks.seen import Bundle, Seen
from adapter_merge.checks.side import look_beside
from adapter_merge.errors import AdapterMergeError, SourceError, UnsupportedError
from adapter_merge.finding import Finding
from adapter_merge.folder import ADAPTER_CONFIG, list_files, read_json, read_receipt
from adapter_merge.plan import Layers, Plan
from adapter_merge.ports import Repository
from adapter_merge.probed import Probed
from adapter_merge.report import Inspection, Merged
from adapter_merge.repository import open_adapter, open_checkpoint
from adapter_merge.skeleton import (
    Absent,
    AsBefore,
    Filled,
    file_filled,
    may_double,
    same_class,
)
from adapter_merge.sources import Adapter, AdapterConfig, Base, Pinned, Sources, parsed
from adapter_merge.streaming import AdapterReader


@dataclass(frozen=True, kw_only=True, slots=True)
class _Subject:
    """What is looked at; `settings` are those of the run that made it, as far as they are known."""

    name: str
    folder: Path
    plan: Plan | None
    sources: Sources | None
    recorded: Mapping[str, int] | None
    foreign: bool
    home: Path
    settings: Mapping[str, str]
    wanted: frozenset[str] = frozenset()
    probed: Probed | None = None


def validate(
    plan: Plan,
    sources: Sources,
    merged: Merged,
    *,
    workers: int,
    advance: Callable[[int], None],
    probed: Probed | None = None,
) -> Inspection:
    """Judge a result of ours as it lies on the disk; `advance` gets the bytes of each tensor seen.

    `probed` is what running it has shown.

    Raises:
        ShortRead: a file changed while it was read.
    """
    recorded = {path: record.size for path, record in merged.files.items()}
    subject = _Subject(
        name=sources.target.title,  # the work folder's name means nothing to anybody
        folder=merged.folder,
        plan=plan,
        sources=sources,
        recorded=recorded,
        foreign=False,
        home=sources.target.root,
        settings=plan.settings,
        probed=probed,
    )
    return _judge(_look(subject, workers=workers, advance=advance))


def inspect(  # noqa: PLR0913 - each is a thing of its own
    repository: Repository,
    plan: Plan | None,
    sources: Sources | None,
    *,
    workers: int,
    advance: Callable[[int], None],
    wanted: frozenset[str] = frozenset(),
    probed: Probed | None = None,
) -> Inspection:
    """Judge anybody's result, all of which lies here; without plan and sources only what it says about itself.

    What can't be opened, or is none, gives findings too. `wanted` names the programs that must
    be able to load it, `probed` is what running it has shown.

    Raises:
        RequestError: it is a file.
        ShortRead: a file changed while it was read.
    """
    folder = repository.pinned.root
    receipt = read_receipt(folder)
    recorded = None if receipt is None else {p: r.size for p, r in receipt.files.items()}
    subject = _Subject(
        name=repository.pinned.name,
        folder=folder,
        plan=plan,
        sources=sources,
        recorded=recorded,
        foreign=True,
        home=folder,
        settings={} if receipt is None else receipt.settings,
        wanted=wanted,
        probed=probed,
    )
    return _judge(_look(subject, workers=workers, advance=advance))


def judge_licence(sources: Sources) -> tuple[Finding, ...]:
    """Judge the licence of a result that stands and stays: the sources' cards may say something else now."""
    target, remote = sources.target, sources.target.remote
    seen = Seen(
        name=target.title,
        files=target.sizes if remote is None else {p: f.size for p, f in remote.files.items()},
        recorded=None,
        checkpoint=None,
        trouble=None,
        side=look_beside(target.root, {}),
        plan=None,
        sources=sources,
        looks={},
        tied=None,
        foreign=False,
    )
    return tuple(finding for check in LICENCE_CHECKS for finding in check.judge(seen))


def _judge(seen: Seen) -> Inspection:
    findings = tuple(finding for check in CHECKS for finding in check.judge(seen))
    changes = {
        name: float(f"{look.edit.relative_change:.4g}")
        for name, look in sorted(seen.looks.items())
        if look.edit is not None and look.edit.relative_change is not None
    }
    return Inspection(findings=findings, relative_changes=changes, probed=seen.probed)


def _look(subject: _Subject, *, workers: int, advance: Callable[[int], None]) -> Seen:
    files, checkpoint, trouble = _open(subject.folder)
    looks: Mapping[str, TensorLook] = {}
    tied = None
    if checkpoint is not None:
        place = Place(
            folder=subject.folder,
            checkpoint=checkpoint,
            sources=subject.sources,
            foreign=subject.foreign,
            threads=workers,
        )
        with _layers(subject) as layers:
            place = replace(place, layers=layers)
            looks = _look_at_all(subject.plan, place, workers=workers, advance=advance)
        tied = _tied(subject.plan, place)
    bundle = _bundle(subject, files, checkpoint)
    filled, base_filled = (None, None) if bundle else _filled(subject, checkpoint)
    return Seen(
        name=subject.name,
        files=files,
        recorded=subject.recorded,
        checkpoint=checkpoint,
        trouble=trouble,
        side=look_beside(subject.folder, files),
        plan=subject.plan,
        sources=subject.sources,
        looks=looks,
        tied=tied,
        foreign=subject.foreign,
        wanted=subject.wanted,
        probed=subject.probed,
        bundle=bundle,
        filled=filled,
        base_filled=base_filled,
    )


def _filled(
    subject: _Subject, checkpoint: Checkpoint | None
) -> tuple[Filled | Absent | AsBefore | None, Filled | None]:
    """What the result's weights fill of its class, and what the base's fill of the base's.

    The class is imported only where names, shapes or class are not the base's, or two names may be one tensor.
    """
    if checkpoint is None:
        return None, None
    try:
        config = read_json(subject.folder, "config.json")
    except SourceError:
        return None, None
    shapes = _shapes(checkpoint)
    base = None if subject.sources is None else subject.sources.base
    same = (
        base is not None and same_class(base.config, config) and _shapes(base.checkpoint) == shapes
    )
    if same and not may_double(shapes):
        return AsBefore(), None
    found = file_filled(config, shapes)
    if base is None or isinstance(found, Absent):
        return found, None
    if same:
        return found, found
    before = file_filled(base.config, _shapes(base.checkpoint))
    return found, None if isinstance(before, Absent) else before


def _shapes(checkpoint: Checkpoint) -> Mapping[str, tuple[int, ...]]:
    return {n: t.shape for n, t in checkpoint.tensors.items()}


def _bundle(
    subject: _Subject, files: Mapping[str, int], checkpoint: Checkpoint | None
) -> Bundle | None:
    """What its own files say, and PEFT of them; None for merged weights."""
    stated = subject.plan.layout if subject.plan is not None else subject.settings.get("layout")
    if stated == "merged" or (stated is None and ADAPTER_CONFIG not in files):
        return None
    try:
        values = read_json(subject.folder, ADAPTER_CONFIG)
    except SourceError:
        values = {}
    found = Bundle(
        stated=stated is not None,
        home=subject.home,
        meant=subject.settings.get("bundle_as"),
        says=values.get("base_model_name_or_path"),
        revision=values.get("revision"),
    )
    if checkpoint is None:
        return replace(found, unasked="the weights can't be read")
    try:
        adapter, base = _apart(subject.folder, checkpoint)
    except AdapterMergeError as e:
        return replace(found, lost=e.message)
    asked = taken(adapter, base)
    return replace(found, taken_by=asked.by, lost=asked.why)


def _apart(folder: Path, checkpoint: Checkpoint) -> tuple[Adapter, Base]:
    """The adapter and the base of a bundle, as far as names and shapes go."""
    pinned = Pinned(source=folder.name, root=folder)
    adapter = Adapter(
        pinned=pinned,
        weight=1.0,
        config=parsed(AdapterConfig, read_json(folder, ADAPTER_CONFIG), label=pinned.source),
        checkpoint=open_adapter(folder),
        files={},
        readme=None,
    )
    base = Base(
        pinned=pinned,
        config=read_json(folder, "config.json"),
        checkpoint=checkpoint,
        files={},
        tied=(),
        readme=None,
    )
    return adapter, base


@contextmanager
def _layers(subject: _Subject) -> Iterator[Layers]:
    """PEFT's layers for the plan's edits, on one thread each; built anew, from the adapters' files."""
    plan, sources = subject.plan, subject.sources
    if plan is None or sources is None or not any(edit.layers for edit in plan.edits):
        yield {}
        return
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    gc.collect()  # the merge's layers, which hold each other
    try:
        with AdapterReader.open(sources, "cpu") as reader:
            layers = open_layers(plan, sources, reader.load)
        yield layers
    finally:
        torch.set_num_threads(threads)


def _open(
    folder: Path,
) -> tuple[Mapping[str, int], Checkpoint | None, AdapterMergeError | None]:
    files: Mapping[str, int] = {}
    try:
        files = list_files(folder)
        return files, open_checkpoint(folder), None
    except (SourceError, UnsupportedError) as e:
        return files, None, e


def _look_at_all(
    plan: Plan | None, place: Place, *, workers: int, advance: Callable[[int], None]
) -> Mapping[str, TensorLook]:
    """Every planned tensor, or without a plan every one found; the largest first, so that all end together."""
    found = place.checkpoint.tensors
    planned = {} if plan is None else plan.tensors
    names = sorted(planned or found, key=lambda n: -found[n].nbytes if n in found else 0)

    def look(name: str) -> TensorLook:
        return look_at(planned[name], place) if planned else look_alone(name, place)

    looks: dict[str, TensorLook] = {}
    # Each worker multiplies small matrices: the threads that BLAS would add only get in the way.
    with (
        threadpool_limits(limits=1, user_api="blas"),
        ThreadPoolExecutor(workers, thread_name_prefix="validate") as pool,
    ):
        for name, seen in zip(names, pool.map(look, names), strict=True):
            looks[name] = seen
            advance(seen.found.nbytes if seen.found else 0)
    return looks


def _tied(plan: Plan | None, place: Place) -> bool | None:
    stored = [s for name in (plan.tied if plan else ()) if (s := place.stored(name)) is not None]
    if len(stored) < 2:
        return None
    return all(map(partial(same_bytes, stored[0]), stored[1:]))
