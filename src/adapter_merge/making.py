"""Make a result in its folder, or find it there: the stages between a plan and a sealed folder."""

from __future__ import annotations

from dataclasses import replace

from adapter_merge.checks import CARD_CHECKS
from adapter_merge.errors import MergeError
from adapter_merge.finding import Finding, Verdict, unweighed
from adapter_merge.flavours import Look
from adapter_merge.folder import read_receipt
from adapter_merge.intact import has_sizes
from adapter_merge.ports import Reporter
from adapter_merge.readme import Readme
from adapter_merge.receipt import Receipt
from adapter_merge.record import finding_records, probe_record, receipt_of
from adapter_merge.room import require_place, require_room
from adapter_merge.running import Job, Run
from adapter_merge.sending import Party, chosen_tag, parties_at_hand, parties_of
from adapter_merge.sources import Target, TargetState
from adapter_merge.stages.describe import Card, Subject, describe
from adapter_merge.stages.merge import merge
from adapter_merge.stages.pull import pull, pull_size
from adapter_merge.stages.seal import seal
from adapter_merge.stages.validate import judge_licence, validate
from adapter_merge.streaming import prepare
from adapter_merge.unplaced import unplaced
from adapter_merge.weighing import as_asked, explain, judge, stop_on_failure
from adapter_merge.work import WorkFolder, keep_aside, standing_card, work_folder

_CARD_CODES = frozenset(check.code for check in CARD_CHECKS)


def unchanged(job: Job) -> Receipt | None:
    """The target's receipt, where it was made by the same recipe and all its files are still there."""
    target, receipt = job.sources.target, job.sources.target.receipt
    if target.state is not TargetState.OURS or receipt is None:
        return None
    return receipt if is_wanted(receipt, job) and has_sizes(receipt, target.sizes) else None


def is_wanted(receipt: Receipt, job: Job) -> bool:
    """Whether a receipt is that of the job: of its recipe, and proved where that is asked for."""
    unproved = receipt.probe is None or not receipt.probe.ran
    same = receipt.recipe == job.plan.recipe and not job.request.rebuild
    return same and not (unproved and job.request.probe == "require")


def refreshed(job: Job, state: Run, receipt: Receipt, look: Look, *, revision: str | None) -> Card:
    """The card of a result that stands, following its sources."""
    known = recalled(job, state, receipt)
    told = receipt.model_copy(update={"findings": finding_records(known)})
    card = _described(job, told, look, revision)
    of_card = judge(card.findings, job.request).findings
    state.report = replace(state.report, findings=(*known, *of_card))
    stop_on_failure(Verdict(findings=state.report.findings))
    return card


def recalled(job: Job, state: Run, receipt: Receipt) -> tuple[Finding, ...]:
    """What a receipt knows of its result, put into the report; the findings count as they do now."""
    of_words = {f.code: f for f in judge_licence(job.sources)}
    found = (f.finding() for f in receipt.findings if f.code not in _CARD_CODES)
    seen = tuple(of_words.get(f.code) or unweighed(f) for f in found)
    known = judge(seen, job.request).findings
    state.report = replace(
        state.report,
        files=receipt.files,
        findings=known,
        relative_changes=receipt.relative_changes,
        probe=receipt.probe,
    )
    return known


def make(job: Job, state: Run, reporter: Reporter) -> None:
    """Merge into a work folder, judge it, and put it in its place."""
    target = job.sources.target
    require_place(target)
    require_room(job.forecast, target, state.machine.around.cache)
    _pull(job, state, reporter)
    with state.timed("import"):
        device = prepare(job.request.device)
    with work_folder(target.root, size=job.plan.size) as work:
        _refuse_moved(target)
        made = _filled(job, state, reporter, device=device, work=work)
        with state.timed("describe"):
            card = _described(job, made, Look.at(work.path), tag_to_come(job, made))
        of_card = judge(card.findings, job.request).findings
        verdict = Verdict(findings=(*state.report.findings, *of_card))
        state.report = replace(state.report, findings=verdict.findings)
        reporter.judged(verdict)
        if verdict.failures:
            kept = f"Look at `{keep_aside(work)}`. " if job.request.keep_failed else ""
            stop_on_failure(verdict, hint=f"{kept}{explain(verdict)}")
        receipt = made.model_copy(update={"findings": finding_records(verdict.findings)})
        if target.remote is not None:
            receipt = unplaced(receipt)
        with state.timed("seal"):
            seal(receipt, card.text, target, work=work)
    state.report = replace(state.report, status="merged", files=receipt.files)


def _pull(job: Job, state: Run, reporter: Reporter) -> None:
    """Bring here what the merge reads; nothing is to be done where all of it is in folders."""
    total = pull_size(job.plan, job.sources)
    if total:
        with state.timed("pull"), reporter.working("pull", total) as advance:
            pull(job.plan, job.sources, advance=advance)


def _refuse_moved(target: Target) -> None:
    """While the work folder is held no other run writes the target; one may have done so before."""
    if read_receipt(target.root) != target.receipt:
        raise MergeError(
            f"another run has written the target `{target.source}` since this one began",
            hint="Run it again: it may be what you want.",
        )


def _filled(job: Job, state: Run, reporter: Reporter, *, device: str, work: WorkFolder) -> Receipt:
    """Fill the work folder and look at it; the receipt lacks what the checks of the card will say."""
    plan, sources = job.plan, job.sources
    workers = job.request.workers or state.machine.workers
    nbytes = sum(t.info.nbytes for t in plan.tensors.values())
    with state.timed("merge"), reporter.working("merge", nbytes) as advance:
        merged = merge(plan, sources, work.path, workers=workers, device=device, advance=advance)
    probed = None
    if job.encoder is not None:
        with state.timed("probe"), reporter.working("probe", nbytes) as advance:
            probed = job.encoder.probe(plan, sources, work.path, advance=advance)
        probed = as_asked(probed, job.request)
    with state.timed("validate"), reporter.working("validate", nbytes) as advance:
        inspection = validate(
            plan, sources, merged, workers=workers, advance=advance, probed=probed
        )
    weighed = judge(inspection.findings, job.request).findings
    changes = inspection.relative_changes
    probe = probe_record(probed)
    state.report = replace(state.report, findings=weighed, relative_changes=changes, probe=probe)
    inspection = replace(inspection, findings=weighed)
    machine = state.machine
    return receipt_of(plan, sources, merged, inspection, versions=machine.versions, run=machine.run)


def _standing(target: Target) -> Readme | None:
    """The card of our earlier result as it is now: people may have written in it while the run worked."""
    if target.remote is not None:
        return None if target.remote.receipt is None else target.remote.readme
    return None if target.receipt is None else standing_card(target.root)


def _described(job: Job, receipt: Receipt, look: Look, revision: str | None) -> Card:
    target = job.sources.target
    subject = Subject(
        title=target.title,
        look=look,
        receipt=receipt,
        standing=_standing(target),
        sources=job.sources,
        repo=None if target.remote is None else target.remote.repo,
        revision=revision,
    )
    return describe(subject, text=job.text)


def tag_to_come(job: Job, receipt: Receipt) -> str | None:
    """The tag that the result will have: what people load by it never moves."""
    remote = job.sources.target.remote
    if remote is None:
        return None
    return chosen_tag(job.request, receipt, made_from(job, receipt), remote.tags)


def made_from(job: Job, receipt: Receipt) -> tuple[Party, ...]:
    """The sources that a result was made from: a later commit with the same content gives it no other tag.

    Who may read them, and who named them, is asked of those at hand.
    """
    told = parties_of(receipt.base, receipt.adapters, {})
    now = parties_at_hand(job.sources)
    return tuple(
        replace(old, access=new.access, is_named=new.is_named)
        for old, new in zip(told, now, strict=True)
    )
