"""The order of the stages; nothing else knows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from adapter_merge.card import people_text
from adapter_merge.delivery import deliver
from adapter_merge.errors import TargetNotOurs
from adapter_merge.flavours import Look
from adapter_merge.forecast import Forecast, Room, Traffic
from adapter_merge.making import make, refreshed, unchanged
from adapter_merge.plan import Plan
from adapter_merge.ports import Reporter
from adapter_merge.receipt import SourceRecord
from adapter_merge.record import source_record
from adapter_merge.report import Report
from adapter_merge.request import Request
from adapter_merge.running import Job, Machine, Run, failures
from adapter_merge.sending import audience, parties_at_hand
from adapter_merge.sources import Sources, TargetState
from adapter_merge.stages.draft import draft
from adapter_merge.stages.foresee import foresee
from adapter_merge.stages.pull import pull_sizes
from adapter_merge.stages.resolve import resolve
from adapter_merge.work import put_card, recover


def run(request: Request, *, reporter: Reporter, machine: Machine) -> Report:
    """Do the whole job; what goes wrong is in the report, which has one shape whatever happens."""
    state = Run(
        machine=machine,
        start=machine.now(),
        report=_nothing_yet(request, machine),
    )
    with failures(state):
        _stages(request, state, reporter)
    report = state.finished()
    reporter.finished(report)
    return report


def _nothing_yet(request: Request, machine: Machine) -> Report:
    """The report of a run that has read nothing: its inputs as they were written."""
    adapters = (
        SourceRecord(source=a.ref.text, weight=a.weight, digests={}) for a in request.adapters
    )
    base = None if request.base is None else SourceRecord(source=request.base.text, digests={})
    return Report(
        status="failed",
        adapters=tuple(adapters),
        base=base,
        to=request.target.text,
        layout=request.layout,
        versions=machine.versions,
    )


def _stages(request: Request, state: Run, reporter: Reporter) -> None:
    with state.timed("resolve"):
        target = request.target.folder
        if target is not None:
            recover(target.expanduser().resolve())
        sources = resolve(request, around=state.machine.around)
    state.report = replace(
        state.report,
        adapters=tuple(source_record(a) for a in sources.adapters),
        base=source_record(sources.base),
    )
    with state.timed("draft"):
        plan = drafted(request, sources)
        encoder = state.machine.encoder(request)
    state.report = replace(
        state.report,
        recipe=plan.recipe,
        counts=plan.counts,
        changes=plan.changes,
        left_behind=plan.left_behind,
    )
    guess = forecast(request, sources, plan, machine=state.machine)
    reporter.planned(plan, guess)
    text = people_text(request.card_body, sources.adapters)
    job = Job(
        request=request, sources=sources, plan=plan, forecast=guess, text=text, encoder=encoder
    )
    if sources.target.remote is None:
        _into_folder(job, state, reporter)
    else:
        deliver(job, state, reporter, sources.target.remote)


def _into_folder(job: Job, state: Run, reporter: Reporter) -> None:
    target = job.sources.target
    receipt = unchanged(job)
    if receipt is None:
        make(job, state, reporter)
        return
    with state.timed("describe"):
        card = refreshed(job, state, receipt, Look.at(target.root), revision=None)
        put_card(target.root, card.text)
    state.report = replace(state.report, status="unchanged")


def drafted(request: Request, sources: Sources) -> Plan:
    """The plan, for a target that may be written.

    Raises:
        TargetNotOurs: something else stands there.
    """
    target = sources.target
    strangers = target.remote.foreign if target.remote is not None else ()
    if strangers and not request.overwrite:
        raise TargetNotOurs(
            f"the target `{target.source}` holds files that no receipt of this program lists: `{strangers[0]}`",
            hint="Name another repository with `--to`, or replace them with `--overwrite`.",
        )
    if target.state is TargetState.FOREIGN and target.remote is not None:
        raise TargetNotOurs(
            f"`{target.root}`, where the result for `{target.source}` is made, holds files that no receipt of this program lists",
            hint="Move them away, or name another folder with `--work-dir`.",
        )
    if target.state is TargetState.FOREIGN and not request.overwrite:
        raise TargetNotOurs(
            f"the target `{target.source}` holds files that no receipt of this program lists",
            hint="Name another folder with `--to`, or replace it with `--overwrite`.",
        )
    return draft(request, sources)


def forecast(request: Request, sources: Sources, plan: Plan, *, machine: Machine) -> Forecast:
    """What the merge will ask of this machine, and of a Hub."""
    workers = request.workers or machine.workers
    encoder = machine.encoder(request)
    proof = None if encoder is None else encoder.cost(plan)
    free = machine.free(sources.target.root)
    guess = foresee(plan, workers=workers, free_bytes=free, proof=proof)
    pulled, _ = pull_sizes(plan, sources)
    guess = _with_pulled(guess, pulled, sources.target.root, machine)
    return replace(guess, traffic=_traffic(request, sources, plan))


def _with_pulled(guess: Forecast, pulled: int, root: Path, machine: Machine) -> Forecast:
    """What is pulled lies in the Hub's cache while the result is made: on the target's disk, or on its own."""
    cache = machine.around.cache
    if not pulled or cache is None:
        return guess
    if machine.disk(cache) == machine.disk(root):
        return replace(guess, needed_bytes=guess.needed_bytes + pulled)
    return replace(guess, cache=Room(needed_bytes=pulled, free_bytes=machine.free(cache)))


def _traffic(request: Request, sources: Sources, plan: Plan) -> Traffic | None:
    remote = sources.target.remote
    pulled, stored = pull_sizes(plan, sources)
    if remote is None or request.publish == "none":
        return Traffic(pulled_bytes=pulled, stored_bytes=stored) if stored else None
    decided = audience(parties_at_hand(sources), remote, request)
    return Traffic(
        pulled_bytes=pulled,
        stored_bytes=stored,
        repo=remote.repo,
        visibility=decided.word(remote),
        why=decided.why,
        added_bytes=plan.size,
    )
