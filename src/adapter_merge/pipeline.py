"""The order of the stages; nothing else knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapter_merge.card import people_text
from adapter_merge.checks import CARD_CHECKS
from adapter_merge.errors import (
    AdapterMergeError,
    CheckFailed,
    Interrupted,
    MergeError,
    TargetNotOurs,
)
from adapter_merge.finding import Finding, Verdict, unweighed
from adapter_merge.folder import read_receipt
from adapter_merge.forecast import Forecast
from adapter_merge.plan import Plan
from adapter_merge.ports import Encoder, Reporter
from adapter_merge.probed import NotRun, Probed
from adapter_merge.readme import README, Readme
from adapter_merge.receipt import RECEIPT_NAME, Receipt, SourceRecord
from adapter_merge.record import finding_records, probe_record, receipt_of, source_record
from adapter_merge.report import ErrorRecord, Report
from adapter_merge.request import Request, Settings
from adapter_merge.sources import Sources, Target, TargetState
from adapter_merge.stages.describe import Card, Subject, describe
from adapter_merge.stages.draft import draft
from adapter_merge.stages.foresee import foresee
from adapter_merge.stages.merge import merge
from adapter_merge.stages.resolve import resolve
from adapter_merge.stages.seal import seal
from adapter_merge.stages.validate import judge_licence, validate
from adapter_merge.streaming import prepare
from adapter_merge.work import WorkFolder, keep_aside, put_card, recover, standing_card, work_folder

_CARD_CODES = frozenset(check.code for check in CARD_CHECKS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What a run takes from the machine that it runs on.

    Attributes:
        now: a clock in seconds that never goes back.
        peak_rss: largest resident memory of this process so far, in bytes.
        versions: of this program, Python and the libraries that compute.
        workers: threads to merge with where the request doesn't say.
        free: bytes that are free where a folder lies, or would lie.
        hub_cache: the folder of the Hub's cache; it need not exist.
        encoder: what runs models for these settings; None where they want none run. It raises `RequestError`
            for inputs that can't be read.
    """

    now: Callable[[], float]
    peak_rss: Callable[[], int]
    versions: Mapping[str, str]
    workers: int
    free: Callable[[Path], int]
    hub_cache: Path
    encoder: Callable[[Settings], Encoder | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    """One merge, decided; `text` is people's own for a first card, `encoder` None where nothing is run."""

    request: Request
    sources: Sources
    plan: Plan
    text: str
    encoder: Encoder | None


@dataclass(kw_only=True, slots=True)
class _Run:
    """What is known so far; a report can be made of it at any moment."""

    machine: Machine
    start: float
    report: Report
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = self.machine.now()
        try:
            yield
        finally:
            self.seconds[stage] = round(self.machine.now() - start, 4)

    def finished(self) -> Report:
        total = round(self.machine.now() - self.start, 4)
        return replace(
            self.report,
            seconds={**self.seconds, "total": total},
            peak_rss_bytes=self.machine.peak_rss(),
        )


def run(request: Request, *, reporter: Reporter, machine: Machine) -> Report:
    """Do the whole job; what goes wrong is in the report, which has one shape whatever happens."""
    state = _Run(
        machine=machine,
        start=machine.now(),
        report=_nothing_yet(request, machine),
    )
    with _failures(state):
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


def reported(
    to: str, work: Callable[[], Report], *, machine: Machine, hint: str | None = None
) -> Report:
    """The report of a job that merges nothing, or the report of its failure.

    Where a check failed it keeps all that the job found; `hint` is the next step then.
    """
    report = Report(status="failed", to=to, versions=machine.versions)
    state = _Run(machine=machine, start=machine.now(), report=report)
    with _failures(state):
        state.report = work()
        stop_on_failure(Verdict(findings=state.report.findings), hint=hint)
    return state.finished()


@contextmanager
def _failures(state: _Run) -> Iterator[None]:
    try:
        yield
    except AdapterMergeError as e:
        _note_failure(state, e)
    except KeyboardInterrupt:
        stop = Interrupted("the run was stopped", hint="Run it again; nothing was left behind.")
        _note_failure(state, stop)


def _note_failure(state: _Run, error: AdapterMergeError) -> None:
    findings = error.verdict.findings if isinstance(error, CheckFailed) else state.report.findings
    state.report = replace(
        state.report, status="failed", findings=findings, error=ErrorRecord.of(error)
    )


def _stages(request: Request, state: _Run, reporter: Reporter) -> None:
    with state.timed("resolve"):
        target = request.target.folder
        if target is not None:
            recover(target.expanduser().resolve())
        sources = resolve(request, cache=state.machine.hub_cache)
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
    reporter.planned(plan, forecast(request, sources.target.root, plan, machine=state.machine))
    text = people_text(request.card_body, sources.adapters)
    job = _Job(request=request, sources=sources, plan=plan, text=text, encoder=encoder)
    receipt = _unchanged(job)
    if receipt is None:
        _merge(job, state, reporter)
    else:
        _refresh(job, state, receipt)


def _refresh(job: _Job, state: _Run, receipt: Receipt) -> None:
    """Merge nothing; the card alone follows its sources."""
    target = job.sources.target
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
    with state.timed("describe"):
        told = receipt.model_copy(update={"findings": finding_records(known)})
        card = _described(job, told, target.root, _standing(target))
        of_card = judge(card.findings, job.request).findings
        state.report = replace(state.report, findings=(*known, *of_card))
        stop_on_failure(Verdict(findings=state.report.findings))
        put_card(target.root, card.text)
    state.report = replace(state.report, status="unchanged")


def _merge(job: _Job, state: _Run, reporter: Reporter) -> None:
    """Merge into a work folder, judge it, and put it in its place."""
    target = job.sources.target
    with state.timed("import"):
        device = prepare(job.request.device)
    with work_folder(target.root, size=job.plan.size) as work:
        _refuse_moved(target)
        made = _make(job, state, reporter, device=device, work=work)
        with state.timed("describe"):
            card = _described(job, made, work.path, _standing(target))
        of_card = judge(card.findings, job.request).findings
        verdict = Verdict(findings=(*state.report.findings, *of_card))
        state.report = replace(state.report, findings=verdict.findings)
        reporter.judged(verdict)
        if verdict.failures:
            kept = f"Look at `{keep_aside(work)}`. " if job.request.keep_failed else ""
            stop_on_failure(verdict, hint=f"{kept}{_explain(verdict)}")
        receipt = made.model_copy(update={"findings": finding_records(verdict.findings)})
        with state.timed("seal"):
            seal(receipt, card.text, target, work=work)
    state.report = replace(state.report, status="merged", files=receipt.files)


def _refuse_moved(target: Target) -> None:
    """While the work folder is held no other run writes the target; one may have done so before."""
    if read_receipt(target.root) != target.receipt:
        raise MergeError(
            f"another run has written the target `{target.source}` since this one began",
            hint="Run it again: it may be what you want.",
        )


def _make(job: _Job, state: _Run, reporter: Reporter, *, device: str, work: WorkFolder) -> Receipt:
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
    return receipt_of(plan, sources, merged, inspection, versions=state.machine.versions)


def _standing(target: Target) -> Readme | None:
    """The card of our earlier result as it is now: people may have written in it while the run worked."""
    return None if target.receipt is None else standing_card(target.root)


def _described(job: _Job, receipt: Receipt, folder: Path, standing: Readme | None) -> Card:
    subject = Subject(
        title=job.sources.target.root.name,
        folder=folder,
        receipt=receipt,
        standing=standing,
        sources=job.sources,
    )
    return describe(subject, text=job.text)


def drafted(request: Request, sources: Sources) -> Plan:
    """The plan, for a target that may be written.

    Raises:
        TargetNotOurs: something else stands there.
    """
    target = sources.target
    if target.state is TargetState.FOREIGN and not request.overwrite:
        raise TargetNotOurs(
            f"the target `{target.source}` holds files that no receipt of this program lists",
            hint="Name another folder with `--to`, or replace it with `--overwrite`.",
        )
    return draft(request, sources)


def forecast(settings: Settings, target: Path, plan: Plan, *, machine: Machine) -> Forecast:
    """What the merge will ask of this machine."""
    workers = settings.workers or machine.workers
    return foresee(plan, workers=workers, free_bytes=machine.free(target))


def _unchanged(job: _Job) -> Receipt | None:
    """The target's receipt, where it was made by the same recipe and all its files are still there.

    A result that was never run isn't what `--probe require` asks for.
    """
    plan, target = job.plan, job.sources.target
    if target.state is not TargetState.OURS or target.receipt is None:
        return None
    sizes = {p: n for p, n in target.sizes.items() if p not in {README, RECEIPT_NAME}}
    recorded = {p: r.size for p, r in target.receipt.files.items()}
    same = target.receipt.recipe == plan.recipe and sizes == recorded
    unproved = target.receipt.probe is None or not target.receipt.probe.ran
    if not same or (unproved and job.request.probe == "require"):
        return None
    return target.receipt


def as_asked(probed: Probed, settings: Settings) -> Probed:
    """With `--probe require` that nothing ran is a failure."""
    if isinstance(probed, NotRun):
        return replace(probed, required=settings.probe == "require")
    return probed


def judge(findings: tuple[Finding, ...], settings: Settings) -> Verdict:
    """All findings, with `--ignore` and `--strict` applied."""
    return Verdict.of(findings, ignore=settings.ignore, strict=settings.strict)


def stop_on_failure(verdict: Verdict, *, hint: str | None = None) -> None:
    """Raise for a verdict that has failures; without a hint the next step is the first one's explanation.

    Raises:
        CheckFailed: it has.
    """
    if not verdict.failures:
        return
    first, *others = verdict.failures
    more = f", and {len(others)} more" if others else ""
    raise CheckFailed(
        f"{first.code} failed for {first.subject}: {first.message}{more}",
        hint=hint or _explain(verdict),
        verdict=verdict,
    )


def _explain(verdict: Verdict) -> str:
    code = verdict.failures[0].code
    return f"`adapter-merge codes {code}` says what it means, how to look, and what to do."
