"""Bring all targets to what merges.yaml says: decide on each entry, then merge what is due, a base at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import islice

from adapter_merge import pipeline
from adapter_merge.errors import Interrupted
from adapter_merge.merges import Wanted
from adapter_merge.ports import Reporter
from adapter_merge.receipt import SourceRecord
from adapter_merge.reconcile.decide import Decision
from adapter_merge.reconcile.round import Failed, decisions
from adapter_merge.reconcile.supersede import supersede
from adapter_merge.report import ErrorRecord, Report
from adapter_merge.request import Request
from adapter_merge.running import Machine, reported
from adapter_merge.stages.resolve import resolve

_LOG = logging.getLogger(__name__)
MOST_JOBS = 256  # of one matrix. Source: GitHub's docs, "Running variations of jobs in a workflow"
_STOPPED = Interrupted.exit_code


def sync(
    entries: Iterable[Wanted],
    *,
    reporter: Reporter,
    machine: Machine,
    now: datetime,
    each: Callable[[Report], None],
    dry: bool = False,
) -> tuple[Report, ...]:
    """Merge what is due; a failure doesn't stop the rest, the user does.

    The reports stand in the file's order; `each` gets them as soon as they are known. With `dry` nothing is written: what is due is planned, and
    its report is `done`.
    """
    found: dict[int, Report] = {}
    stopped = False
    for decision in _in_order(decisions(entries, machine=machine, now=now)):
        report = _stopped(decision) if stopped else _done(decision, reporter, machine, dry=dry)
        stopped = stopped or (report.error is not None and report.error.code == _STOPPED)
        found[decision.wanted.number] = report
        each(report)
    return tuple(found[number] for number in sorted(found))


def _in_order(found: Iterable[Decision | Failed]) -> Iterator[Decision | Failed]:
    """What needs no work first, then merges by their base: the cache gets one after the other."""
    groups: dict[str, list[Decision]] = {}
    for decision in found:
        if isinstance(decision, Failed) or decision.what != "due":
            yield decision
        else:
            groups.setdefault(_base_of(decision.request), []).append(decision)
    for group in groups.values():
        yield from group


def _base_of(request: Request) -> str:
    base = request.base
    return "" if base is None else f"{base.text} {base.revision}"


def _done(
    decision: Decision | Failed, reporter: Reporter, machine: Machine, *, dry: bool
) -> Report:
    """The report of one entry; whatever goes wrong with it is its failure alone."""
    try:
        return _report(decision, reporter, machine, dry=dry)
    except Exception as e:
        _LOG.exception("`%s` can't be merged", decision.wanted.label)
        error = ErrorRecord.of_bug(e, hint="Report it with the lines of the log.")
        request = decision.wanted.request
        return replace(_of(request, machine), status="failed", error=error)


def _report(
    decision: Decision | Failed, reporter: Reporter, machine: Machine, *, dry: bool
) -> Report:
    if isinstance(decision, Failed):
        report = _of(decision.wanted.request, machine)
        return replace(report, status="failed", error=decision.error, notes=decision.notes)
    if decision.what != "due":
        report = _of(decision.request, machine)
        report = replace(report, status=decision.what, published=decision.published)
    elif dry:
        report = _planned(decision.request, machine)
    else:
        report = pipeline.run(decision.request, reporter=reporter, machine=machine)
    same = decision.what == "due" and report.status == "unchanged"
    reason = f"{decision.reason}, with the same contents" if same else decision.reason
    report = replace(report, reason=reason, notes=decision.notes)
    return report if dry else supersede(decision.wanted, report, machine)


def _stopped(decision: Decision | Failed) -> Report:
    wanted = decision.wanted
    report = Report(status="skipped", adapters=_sources(wanted.request), to=wanted.label)
    return replace(report, reason="the run was stopped before")


def _of(request: Request, machine: Machine) -> Report:
    """The report of a request that nothing is done for."""
    base = None if request.base is None else _source(request.base.text, request.base.revision)
    return Report(
        status="skipped",
        adapters=_sources(request),
        base=base,
        to=request.target.text,
        layout=request.layout,
        versions=machine.versions,
    )


def _sources(request: Request) -> tuple[SourceRecord, ...]:
    return tuple(_source(a.ref.text, a.ref.revision, a.weight) for a in request.adapters)


def _source(text: str, revision: str | None, weight: float | None = None) -> SourceRecord:
    commit = revision if revision is not None and len(revision) == 40 else None
    return SourceRecord(source=text, commit=commit, weight=weight, digests={})


def _planned(request: Request, machine: Machine) -> Report:
    """What a merge would do, without reading a weight."""

    def work() -> Report:
        sources = resolve(request, verb="plan", around=machine.around)
        plan = pipeline.drafted(request, sources)
        return replace(
            _of(request, machine),
            status="done",
            recipe=plan.recipe,
            counts=plan.counts,
            changes=plan.changes,
            left_behind=plan.left_behind,
        )

    report = reported(request.target.text, work, machine=machine)
    return report if report.error is None else replace(report, adapters=_sources(request))


def matrix(found: Iterable[Decision | Failed]) -> Mapping[str, list[Mapping[str, str]]]:
    """The jobs of a workflow: what is due, and what couldn't be looked at, whose job will say why.

    There are at most `MOST_JOBS`; what is past them stays due, and comes the next time.
    """
    ordered = (d for d in _in_order(found) if isinstance(d, Failed) or d.what == "due")
    return {"include": [_job(decision) for decision in islice(ordered, MOST_JOBS)]}


def _job(decision: Decision | Failed) -> Mapping[str, str]:
    request = decision.wanted.request if isinstance(decision, Failed) else decision.request
    return {
        "to": request.target.text,
        "adapter": " ".join(a.ref.text for a in request.adapters),
        "base": request.base.text if request.base is not None else "",
    }
