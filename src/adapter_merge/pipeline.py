"""The order of the stages; nothing else knows it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from adapter_merge.card import people_text
from adapter_merge.checks import CARD_CHECKS
from adapter_merge.errors import (
    HubUnavailable,
    MergeError,
    PublishError,
    TargetNotOurs,
)
from adapter_merge.finding import Verdict, unweighed
from adapter_merge.flavours import Look
from adapter_merge.folder import read_receipt, sha256
from adapter_merge.forecast import Forecast, Room, Traffic
from adapter_merge.plan import Plan
from adapter_merge.ports import Hub, Reporter, Repository
from adapter_merge.readme import README, Readme
from adapter_merge.receipt import RECEIPT_NAME, Receipt, SourceRecord
from adapter_merge.record import finding_records, probe_record, receipt_of, source_record
from adapter_merge.remote import OF_THE_HUB, RemoteTarget
from adapter_merge.report import Report
from adapter_merge.request import Request
from adapter_merge.running import Job, Machine, Run, failures
from adapter_merge.sending import (
    Party,
    Result,
    allow,
    audience,
    card_pieces,
    chosen_tag,
    parties_of,
    pieces_of,
    refuse_by_licence,
    require_free,
    standing_tag,
)
from adapter_merge.sources import Sources, Target, TargetState
from adapter_merge.stages.describe import Card, Subject, describe
from adapter_merge.stages.draft import draft
from adapter_merge.stages.foresee import foresee
from adapter_merge.stages.merge import merge
from adapter_merge.stages.publish import publish, tagged
from adapter_merge.stages.pull import pull, pull_size, pull_sizes
from adapter_merge.stages.resolve import resolve
from adapter_merge.stages.seal import seal
from adapter_merge.stages.validate import judge_licence, validate
from adapter_merge.streaming import prepare
from adapter_merge.unplaced import unplaced
from adapter_merge.weighing import as_asked, explain, judge, stop_on_failure
from adapter_merge.work import (
    WorkFolder,
    alone_with,
    discard,
    keep_aside,
    put_card,
    recover,
    require_unsent,
    standing_card,
    work_folder,
)

_CARD_CODES = frozenset(check.code for check in CARD_CHECKS)


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
    reporter.planned(plan, forecast(request, sources, plan, machine=state.machine))
    text = people_text(request.card_body, sources.adapters)
    job = Job(request=request, sources=sources, plan=plan, text=text, encoder=encoder)
    if sources.target.remote is None:
        _into_folder(job, state, reporter)
    else:
        _onto_hub(job, state, reporter, sources.target.remote)


def _into_folder(job: Job, state: Run, reporter: Reporter) -> None:
    target = job.sources.target
    receipt = _unchanged(job)
    if receipt is None:
        _merge(job, state, reporter)
        return
    with state.timed("describe"):
        card = _refreshed(job, state, receipt, Look.at(target.root), revision=None)
        put_card(target.root, card.text)
    state.report = replace(state.report, status="unchanged")


def _onto_hub(job: Job, state: Run, reporter: Reporter, remote: RemoteTarget) -> None:
    """Publish what isn't there yet; merge what doesn't wait to be sent."""
    recover(job.sources.target.root)
    require_unsent(job.sources.target.root)
    sends, hub = job.request.publish != "none", state.machine.around.connected()
    if sends:
        with state.timed("allow"):
            _allow(job, remote, hub)
    receipt = _unchanged_there(job, remote, hub)
    if receipt is not None:
        _refresh_there(job, state, receipt, hub)
        return
    if sends:
        require_free(job.request, remote.tags)
    receipt = _unchanged(job)
    if receipt is None:
        _merge(job, state, reporter)
    else:
        with state.timed("describe"):
            root, tag = job.sources.target.root, _tag_to_come(job, receipt)
            card = _refreshed(job, state, receipt, Look.at(root), revision=tag)
            put_card(root, card.text)
        state.report = replace(state.report, status="merged")
    state.report = replace(state.report, waits=str(job.sources.target.root))
    if sends:
        with alone_with(job.sources.target.root):
            _publish(job, state, reporter, hub)


def _allow(job: Job, remote: RemoteTarget, hub: Hub) -> None:
    """Whatever would stop the result from being published stops it before the work."""
    hub.require_write(remote, pull_request=job.request.publish == "pr")
    decided = allow(_parties(job.sources), remote, job.request, overwrite=job.request.overwrite)
    refuse_by_licence(judge_licence(job.sources), remote, decided)


def _parties(sources: Sources) -> tuple[Party, ...]:
    pins = (sources.base.pinned, *(a.pinned for a in sources.adapters))
    access = {pinned.repo: pinned.access for pinned in pins if pinned.repo is not None}
    records = [source_record(a) for a in sources.adapters]
    return parties_of(source_record(sources.base), records, access)


def _unchanged_there(job: Job, remote: RemoteTarget, hub: Hub) -> Receipt | None:
    """The receipt that stands on the Hub, where it is of the same recipe and all its files are as it says."""
    receipt = remote.receipt
    if receipt is None or remote.foreign:
        return None
    sizes = {path: file.size for path, file in remote.files.items() if path not in OF_THE_HUB}
    told = {path: file.sha256 for path, file in remote.files.items() if file.sha256 is not None}
    same = all(
        told.get(path, record.sha256) == record.sha256 for path, record in receipt.files.items()
    )
    if not same or not _holds(receipt, sizes, job):
        return None
    small = [path for path in receipt.files if path in remote.files and path not in told]
    return (
        receipt
        if _are_recorded(small, receipt, hub.result(remote.repo, str(remote.head)))
        else None
    )


def _are_recorded(paths: Collection[str], receipt: Receipt, repository: Repository) -> bool:
    """Whether small files, of which a Hub tells no sha256, are what the receipt says: a word of the same length counts."""
    wanted = [path for path in paths if path not in OF_THE_HUB]
    repository.have(wanted)
    root = repository.pinned.root
    return all(sha256(root / path) == receipt.files[path].sha256 for path in wanted)


def _refresh_there(job: Job, state: Run, receipt: Receipt, hub: Hub) -> None:
    """Merge nothing; the card alone is sent, where its sources got new words, and a tag that got lost is set."""
    remote = job.sources.target.remote
    assert remote is not None  # noqa: S101 - a receipt was read there
    repository = hub.result(remote.repo, str(remote.head))
    at = partial(hub.receipt, remote.repo)
    told = _told_by(receipt)
    standing = standing_tag(job.request, receipt, told, remote.tags, receipt_at=at)
    tag = standing or _tag_to_come(job, receipt)
    with state.timed("describe"):
        card = _refreshed(job, state, receipt, Look.of(repository), revision=tag)
        there = repository.pinned.file(README).read_bytes() if README in repository.files else b""
    state.report = replace(state.report, status="unchanged")
    if job.request.publish == "none":
        return
    if card.text.encode() != there:
        _send_card(job, state, receipt, card, hub)
    if tag is not None and standing is None:
        hub.tag(remote.repo, tag, str(remote.head))
    if job.sources.target.state is TargetState.OURS:
        discard(job.sources.target.root)  # it waited to be sent, and stands there now


def _told_by(receipt: Receipt) -> tuple[Party, ...]:
    """The sources that a result was made from: a later commit with the same content gives it no other tag."""
    return parties_of(receipt.base, receipt.adapters, {})


def _send_card(job: Job, state: Run, receipt: Receipt, card: Card, hub: Hub) -> None:
    remote = job.sources.target.remote
    assert remote is not None  # noqa: S101 - its card is sent
    with state.timed("publish"), TemporaryDirectory(prefix="adapter-merge-") as place:
        Path(place, README).write_text(card.text, encoding="utf-8")
        pieces = card_pieces(Path(place))
        result = Result(
            receipt=receipt, parties=_parties(job.sources), pieces=pieces, card_only=True
        )
        published = publish(result, remote, job.request, hub=hub)
        state.report = replace(state.report, published=published)
        published = tagged(published, result, remote, job.request, hub=hub)
    state.report = replace(state.report, published=published)


def _publish(job: Job, state: Run, reporter: Reporter, hub: Hub) -> None:
    target, remote = job.sources.target, job.sources.target.remote
    receipt = read_receipt(target.root)
    assert remote is not None  # noqa: S101 - that is why it is published
    assert receipt is not None  # noqa: S101 - it was sealed
    pieces = pieces_of(target.root, receipt)
    result = Result(receipt=receipt, parties=_parties(job.sources), pieces=pieces)
    total = sum(piece.size for piece in pieces.values())
    try:
        with state.timed("publish"), reporter.working("publish", total) as advance:
            published = publish(
                result,
                remote,
                job.request,
                hub=hub,
                overwrite=job.request.overwrite,
                advance=advance,
            )
    except (PublishError, HubUnavailable) as e:
        raise type(e)(e.message, hint=f"{e.hint} The result waits in `{target.root}`.") from e
    discard(target.root)
    state.report = replace(state.report, published=published, waits=None)
    with state.timed("tag"):
        published = tagged(published, result, remote, job.request, hub=hub)
    state.report = replace(state.report, published=published)


def _refreshed(job: Job, state: Run, receipt: Receipt, look: Look, *, revision: str | None) -> Card:
    """The card of a result that stands, following its sources."""
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
    told = receipt.model_copy(update={"findings": finding_records(known)})
    card = _described(job, told, look, revision)
    of_card = judge(card.findings, job.request).findings
    state.report = replace(state.report, findings=(*known, *of_card))
    stop_on_failure(Verdict(findings=state.report.findings))
    return card


def _merge(job: Job, state: Run, reporter: Reporter) -> None:
    """Merge into a work folder, judge it, and put it in its place."""
    target = job.sources.target
    _pull(job, state, reporter)
    with state.timed("import"):
        device = prepare(job.request.device)
    with work_folder(target.root, size=job.plan.size) as work:
        _refuse_moved(target)
        made = _make(job, state, reporter, device=device, work=work)
        with state.timed("describe"):
            card = _described(job, made, Look.at(work.path), _tag_to_come(job, made))
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


def _make(job: Job, state: Run, reporter: Reporter, *, device: str, work: WorkFolder) -> Receipt:
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


def _tag_to_come(job: Job, receipt: Receipt) -> str | None:
    """The tag that the result will have: what people load by it never moves."""
    remote = job.sources.target.remote
    if remote is None:
        return None
    return chosen_tag(job.request, receipt, _told_by(receipt), remote.tags)


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
    decided = audience(_parties(sources), remote, request)
    return Traffic(
        pulled_bytes=pulled,
        stored_bytes=stored,
        repo=remote.repo,
        visibility=decided.word(remote),
        why=decided.why,
        added_bytes=plan.size,
    )


def _unchanged(job: Job) -> Receipt | None:
    """The target's receipt, where it was made by the same recipe and all its files are still there.

    A result that was never run isn't what `--probe require` asks for.
    """
    target = job.sources.target
    if target.state is not TargetState.OURS or target.receipt is None:
        return None
    return target.receipt if _holds(target.receipt, target.sizes, job) else None


def _holds(receipt: Receipt, found: Mapping[str, int], job: Job) -> bool:
    sizes = {p: n for p, n in found.items() if p not in {README, RECEIPT_NAME}}
    recorded = {p: r.size for p, r in receipt.files.items()}
    unproved = receipt.probe is None or not receipt.probe.ran
    same = receipt.recipe == job.plan.recipe and sizes == recorded and not job.request.rebuild
    return same and not (unproved and job.request.probe == "require")
