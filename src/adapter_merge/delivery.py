"""Bring a result to its target on a Hub: what stands there is found, what isn't there is made and sent."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from adapter_merge.errors import HubUnavailable, PublishError
from adapter_merge.finding import Verdict
from adapter_merge.flavours import Look
from adapter_merge.folder import read_receipt
from adapter_merge.intact import is_intact
from adapter_merge.making import (
    is_wanted,
    made_from,
    make,
    recalled,
    refreshed,
    tag_to_come,
    unchanged,
)
from adapter_merge.ports import Hub, Reporter
from adapter_merge.proposing import Proposed, proposals
from adapter_merge.readme import README
from adapter_merge.receipt import Receipt
from adapter_merge.remote import RemoteTarget
from adapter_merge.report import Published
from adapter_merge.running import Job, Run
from adapter_merge.sending import (
    Result,
    allow,
    card_pieces,
    parties_at_hand,
    pieces_of,
    refuse_by_licence,
    require_free,
    standing_tag,
)
from adapter_merge.sources import TargetState
from adapter_merge.stages.describe import Card
from adapter_merge.stages.publish import publish, tagged
from adapter_merge.stages.validate import judge_licence
from adapter_merge.weighing import stop_on_failure
from adapter_merge.work import alone_with, discard, put_card, recover, require_unsent


def deliver(job: Job, state: Run, reporter: Reporter, remote: RemoteTarget) -> None:
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
    if (proposed := _proposed(job, remote, hub)) is not None:
        _leave_proposed(job, state, remote, proposed)
        return
    if sends:
        require_free(job.request, remote.tags)
    receipt = unchanged(job)
    if receipt is None:
        make(job, state, reporter)
    else:
        with state.timed("describe"):
            root, tag = job.sources.target.root, tag_to_come(job, receipt)
            card = refreshed(job, state, receipt, Look.at(root), revision=tag)
            put_card(root, card.text)
        state.report = replace(state.report, status="merged")
    state.report = replace(state.report, waits=str(job.sources.target.root))
    if sends:
        with alone_with(job.sources.target.root):
            _publish(job, state, reporter, hub)


def _allow(job: Job, remote: RemoteTarget, hub: Hub) -> None:
    """Whatever would stop the result from being published stops it before the work."""
    hub.require_write(remote, pull_request=job.request.publish == "pr")
    decided = allow(
        parties_at_hand(job.sources), remote, job.request, overwrite=job.request.overwrite
    )
    refuse_by_licence(judge_licence(job.sources), remote, decided)


def _unchanged_there(job: Job, remote: RemoteTarget, hub: Hub) -> Receipt | None:
    """The receipt that stands on the Hub, where it is of the same recipe and all its files are as it says."""
    receipt = remote.receipt
    if receipt is None or not is_wanted(receipt, job) or not is_intact(remote, hub):
        return None
    return receipt


def _proposed(job: Job, remote: RemoteTarget, hub: Hub) -> Proposed | None:
    """The pull request that proposes the same; `--rebuild` wants another."""
    if job.request.publish != "pr" or job.request.rebuild:
        return None
    found = proposals(remote, hub)
    return next((proposed for proposed in found if is_wanted(proposed.receipt, job)), None)


def _leave_proposed(job: Job, state: Run, remote: RemoteTarget, proposed: Proposed) -> None:
    """Merge nothing: people decide on it, or have decided."""
    if not proposed.is_open:
        state.report = replace(state.report, status="skipped", reason=proposed.closed)
        return
    findings = recalled(job, state, proposed.receipt)
    stop_on_failure(Verdict(findings=findings))
    there = Published.standing(remote, proposed.receipt, proposed.commit, proposed.number)
    state.report = replace(
        state.report, status="unchanged", reason=proposed.opened, published=there
    )
    _drop(job)


def _refresh_there(job: Job, state: Run, receipt: Receipt, hub: Hub) -> None:
    """Merge nothing; the card alone is sent, where its sources got new words, and a tag that got lost is set."""
    remote = job.sources.target.remote
    assert remote is not None  # noqa: S101 - a receipt was read there
    head = str(remote.head)
    repository = hub.result(remote.repo, head)
    at = partial(hub.receipt, remote.repo)
    made = made_from(job, receipt)
    standing = standing_tag(job.request, receipt, made, remote.tags, receipt_at=at)
    tag = standing or tag_to_come(job, receipt)
    with state.timed("describe"):
        card = refreshed(job, state, receipt, Look.of(repository), revision=tag)
        there = repository.pinned.file(README).read_bytes() if README in repository.files else b""
    published = Published.standing(remote, receipt, head)
    state.report = replace(state.report, status="unchanged", published=published)
    if job.request.publish == "none":
        return
    if card.text.encode() != there:
        _send_card(job, state, receipt, card, hub)
    if tag is not None and standing is None:
        hub.tag(remote.repo, tag, head)
        if card.text.encode() == there:
            state.report = replace(state.report, published=replace(published, tag=tag))
    _drop(job)


def _drop(job: Job) -> None:
    """Remove what waited to be sent, and stands on the Hub now."""
    if job.sources.target.state is TargetState.OURS:
        discard(job.sources.target.root)


def _send_card(job: Job, state: Run, receipt: Receipt, card: Card, hub: Hub) -> None:
    remote = job.sources.target.remote
    assert remote is not None  # noqa: S101 - its card is sent
    with state.timed("publish"), TemporaryDirectory(prefix="adapter-merge-") as place:
        Path(place, README).write_text(card.text, encoding="utf-8")
        pieces = card_pieces(Path(place))
        result = Result(
            receipt=receipt, parties=parties_at_hand(job.sources), pieces=pieces, card_only=True
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
    result = Result(receipt=receipt, parties=made_from(job, receipt), pieces=pieces)
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
