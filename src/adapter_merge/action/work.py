"""Doing what a step asks for: the same calls that the command line makes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from adapter_merge.action.step import Asked
from adapter_merge.errors import Interrupted, RequestError, SomeFailed
from adapter_merge.figures import counted
from adapter_merge.github.blocks import word
from adapter_merge.github.context import Context
from adapter_merge.github.dispatch import EVENT, read_pushed
from adapter_merge.github.summary import Told
from adapter_merge.merges import Wanted, read_merges
from adapter_merge.ports import Reporter
from adapter_merge.report import Report

_PULLS = ("pull_request", "pull_request_target")


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What a step has done.

    Attributes:
        told: what there is to tell.
        status: of the step: `planned`, a report's own, or of several the weightiest.
        code: what the process ends with.
        matrix: the jobs of what is due, as JSON; empty where nothing is, or nobody asked.
    """

    told: Told
    status: str
    code: int
    matrix: str = ""


def is_dry(asked: Asked, context: Context) -> bool:
    """Whether a step only looks."""
    step = asked.step
    dry = step.dry_run or step.matrix or context.event_name in _PULLS
    return step.command == "plan" or (step.command == "sync" and dry)


def work(asked: Asked, reporter: Reporter, context: Context) -> Done:
    """Do it; what goes wrong with the merge itself is in the report.

    Raises:
        AdapterMergeError: the inputs don't make a request, or a dry run found why it can't be done.
    """
    # Behind the inputs, so that a wrong one is told at once.
    from adapter_merge import assemble

    step = asked.step
    match step.command:
        case "run":
            return _one(assemble.run(asked.request(), reporter))
        case "plan":
            found = assemble.dry_run(asked.request())
            reporter.planned(*found)
            return Done(told=Told(plan=found), status="planned", code=0)
        case "check":
            settings = asked.settings()
            look = partial(assemble.check, base=settings.base, adapters=asked.adapters())
            wanted = frozenset(step.wanted)
            return _one(look(asked.folder(), settings=settings, wanted=wanted, reporter=reporter))
        case "verify":
            return _one(assemble.verify(asked.folder()))
        case "publish":
            return _one(_publish(asked, reporter))
        case "sync":
            return _sync(asked, reporter, context)


def _publish(asked: Asked, reporter: Reporter) -> Report:
    from adapter_merge import assemble

    folder, to, settings = asked.folder(), asked.to(), asked.settings()
    send = partial(assemble.publish, overwrite=settings.overwrite, reporter=reporter)
    return send(folder, to, asked.sending())


def _sync(asked: Asked, reporter: Reporter, context: Context) -> Done:
    from adapter_merge import assemble

    entries, nothing = _entries(asked), "no adapter is there that `watch` takes"
    if (repo := _pushed(context)) is not None:
        entries = tuple(e for e in entries if e.reads(repo))
        nothing = f"`{repo}` was pushed, and no entry of `{asked.step.merges}` that is meant here reads it: nothing was looked at"
    if not entries:
        return Done(told=Told(note=nothing), status="skipped", code=0)
    if asked.step.matrix:
        return _matrix(assemble.matrix(entries)["include"])
    dry = is_dry(asked, context)
    return _several(assemble.sync(entries, reporter=reporter, dry=dry), dry=dry)


def _pushed(context: Context) -> str | None:
    """The adapter that an event says was pushed: it chooses among the entries, and all else is asked of the Hub.

    Raises:
        RequestError: the event isn't what it has to be.
    """
    if context.event_name != "repository_dispatch" or context.event.action != EVENT:
        return None
    return read_pushed(context.event.client_payload).adapter


def _matrix(jobs: Sequence[object]) -> Done:
    if not jobs:
        return Done(told=Told(note="nothing is due"), status="unchanged", code=0)
    note = f"{counted(len(jobs), 'merge')} of the list are due"
    return Done(
        told=Told(note=note), status="planned", code=0, matrix=json.dumps({"include": jobs})
    )


def _entries(asked: Asked) -> tuple[Wanted, ...]:
    from adapter_merge import assemble

    step = asked.step
    listed = assemble.expanded(read_merges(step.merges))
    found = tuple(e for e in listed if step.only is None or e.fits(step.only))
    if not found and step.only is not None:
        raise RequestError(
            f"input `only`: no entry of `{step.merges}` has a target or an adapter like `{step.only}`",
            hint="Take it away, or write it as a target of that file, where `*` stands for anything.",
        )
    return tuple(e.again() for e in found) if asked.settings().rebuild else found


def _one(report: Report) -> Done:
    code = 0 if report.error is None else report.error.code
    return Done(told=Told(reports=(report,)), status=report.status, code=code)


_BY_WEIGHT = ("failed", "merged", "done", "planned", "unchanged", "skipped")


def _several(reports: tuple[Report, ...], *, dry: bool) -> Done:
    """As the command line ends: with 10 where a merge failed."""
    codes = {r.error.code for r in reports if r.error is not None}
    found = {word(r, dry=dry) for r in reports}
    status = next((s for s in _BY_WEIGHT if s in found), "unchanged")
    code = SomeFailed.exit_code if codes else 0
    if Interrupted.exit_code in codes:
        code = Interrupted.exit_code
    return Done(told=Told(reports=reports, dry=dry), status=status, code=code)
