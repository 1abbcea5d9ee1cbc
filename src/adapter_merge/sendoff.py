"""Send a sealed folder to a Hub, as a run sends what it has made; nothing is merged."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from adapter_merge.checks import CARD_CHECKS
from adapter_merge.errors import (
    Gated,
    NotFound,
    Refused,
    RequestError,
    RevisionMissing,
    SourceError,
)
from adapter_merge.finding import Finding, Verdict
from adapter_merge.flavours import Look
from adapter_merge.folder import ADAPTER_CONFIG, list_files, read_json, read_readme, read_receipt
from adapter_merge.ports import Hub, Reporter
from adapter_merge.publishing import Publishing
from adapter_merge.readme import README
from adapter_merge.receipt import RECEIPT_NAME, Receipt
from adapter_merge.remote import OF_THE_HUB, UNLISTED, Access, Piece, RemoteTarget
from adapter_merge.report import Published, Report, Status
from adapter_merge.request import RepoRef, Settings
from adapter_merge.running import Machine, Run, failures
from adapter_merge.sending import (
    Party,
    Result,
    allow,
    card_pieces,
    chosen_tag,
    parties_of,
    pieces_of,
    refuse_by_licence,
    standing_tag,
)
from adapter_merge.stages.describe import Subject, describe
from adapter_merge.stages.publish import publish as sent_by
from adapter_merge.stages.publish import tagged
from adapter_merge.targets import remote_of, require_whole_card
from adapter_merge.unplaced import unplaced
from adapter_merge.weighing import judge, stop_on_failure
from adapter_merge.work import steady

_CARD_CODES = frozenset(check.code for check in CARD_CHECKS)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sealed:
    """A folder of ours, and all that is in it."""

    root: Path
    receipt: Receipt
    pieces: Mapping[str, Piece]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Errand:
    """What is sent where; `standing` is the tag that the same result has there, `there` whether it stands there."""

    sealed: _Sealed
    parties: tuple[Party, ...]
    target: RemoteTarget
    wish: Publishing
    overwrite: bool
    there: bool
    standing: str | None

    @property
    def tag(self) -> str | None:
        """The tag that people will load it by."""
        return self.standing or chosen_tag(
            self.wish, self.sealed.receipt, self.parties, self.target.tags
        )


def publish(
    folder: RepoRef,
    to: RepoRef,
    wish: Publishing,
    *,
    overwrite: bool,
    reporter: Reporter,
    machine: Machine,
) -> Report:
    """Send a folder; what goes wrong is in the report, which is `unchanged` where nothing had to be sent."""
    report = Report(status="failed", to=to.text, versions=machine.versions)
    state = Run(machine=machine, start=machine.now(), report=report)
    with failures(state):
        with state.timed("resolve"):
            sealed = _sealed(folder)
            target = remote_of(to, wish.branch, machine.around)
        _note(state, sealed.receipt)
        _refuse_elsewhere(sealed, target)
        with state.timed("allow"):
            errand = _allowed(sealed, target, wish, overwrite, machine.around.connected())
        _send(errand, state, reporter, machine.around.connected())
    return state.finished()


def _sealed(folder: RepoRef) -> _Sealed:
    """Read the folder; what is large in it is compared with the receipt before it is sent.

    Raises:
        RequestError: it is a Hub id.
        NotFound: there is no folder, or no receipt in it.
        Corrupt: it isn't what its receipt says.
    """
    if folder.folder is None:
        raise RequestError(
            f"`{folder.text}` is a Hub id, and what is published is a folder",
            hint=f"Write `./{folder.name}` for a folder here.",
        )
    root = folder.folder.expanduser().absolute().resolve()
    with steady(root):
        list_files(root)
        receipt = read_receipt(root)
        if receipt is None:
            raise NotFound(
                f"`{folder.text}` has no valid `{RECEIPT_NAME}`, so nothing says what was merged",
                hint="Publish a folder that `adapter-merge run` made.",
            )
        return _Sealed(root=root, receipt=receipt, pieces=pieces_of(root, receipt))


def _note(state: Run, receipt: Receipt) -> None:
    of_files = (f.finding() for f in receipt.findings if f.code not in _CARD_CODES)
    state.report = replace(
        state.report,
        layout="bundled" if receipt.bundles else "merged",
        adapters=receipt.adapters,
        base=receipt.base,
        recipe=receipt.recipe,
        findings=tuple(of_files),
        relative_changes=receipt.relative_changes,
        probe=receipt.probe,
        files=receipt.files,
    )


def _refuse_elsewhere(sealed: _Sealed, target: RemoteTarget) -> None:
    """A bundle works only where it leads to itself.

    Raises:
        Refused: it leads elsewhere.
    """
    receipt = sealed.receipt
    if not receipt.bundles:
        return
    leads = read_json(sealed.root, ADAPTER_CONFIG).get("base_model_name_or_path")
    if leads == target.repo:
        return
    again = ["adapter-merge", "run", receipt.adapters[0].source, "--base", receipt.base.source]
    again += ["--layout", "bundled", "--to", target.repo]
    raise Refused(
        f"this bundle's `{ADAPTER_CONFIG}` leads to `{leads}`, so loaders would not take its base from `{target.repo}`",
        hint=f"Bundle it for that repository: `{shlex.join(again)}`.",
    )


def _allowed(
    sealed: _Sealed, target: RemoteTarget, wish: Publishing, overwrite: bool, hub: Hub
) -> _Errand:
    """Whatever stops the folder from being published stops it before a byte is sent."""
    receipt = sealed.receipt
    hub.require_write(target, pull_request=wish.publish == "pr")
    named, access = receipt.base_is_named is not False, _access(receipt, hub)
    parties = parties_of(receipt.base, receipt.adapters, access, base_is_named=named)
    decided = allow(parties, target, wish, overwrite=overwrite)
    require_whole_card(target)
    refuse_by_licence(receipt.findings, target, decided)
    there = _stands(sealed, target)
    at = partial(hub.receipt, target.repo)
    standing = standing_tag(wish, receipt, parties, target.tags, receipt_at=at) if there else None
    return _Errand(
        sealed=sealed,
        parties=parties,
        target=target,
        wish=wish,
        overwrite=overwrite,
        there=there,
        standing=standing,
    )


def _access(receipt: Receipt, hub: Hub) -> Mapping[str, Access | None]:
    """Who may read the sources now, by repository."""
    found: dict[str, Access | None] = {}
    for record in (receipt.base, *receipt.adapters):
        repo = RepoRef.model_validate(record.source).repo
        if record.commit is not None and repo is not None and repo not in found:
            found[repo] = _seen(repo, record.commit, hub)
    return found


def _seen(repo: str, commit: str, hub: Hub) -> Access | None:
    """Who may read a repository; None where this token doesn't see it."""
    for ref in (f"hf://{repo}@{commit}", f"hf://{repo}"):
        try:
            return hub.open(RepoRef.model_validate(ref)).pinned.access
        except RevisionMissing:
            continue  # its history was squashed
        except Gated:
            return Access.GATED
        except SourceError:
            return None
    return None


def _stands(sealed: _Sealed, target: RemoteTarget) -> bool:
    """Whether the target is this very result, but for the words about it."""
    if target.receipt is None or target.receipt.recipe != sealed.receipt.recipe:
        return False
    pieces = sealed.pieces
    more = target.files.keys() - pieces.keys() - OF_THE_HUB - UNLISTED
    differing = {p for p, piece in pieces.items() if not piece.equals(target.files.get(p))}
    return not more and differing <= UNLISTED


def _send(errand: _Errand, state: Run, reporter: Reporter, hub: Hub) -> None:
    target, wish = errand.target, errand.wish
    with TemporaryDirectory(prefix="adapter-merge-") as place:
        with state.timed("describe"):
            Path(place, README).write_text(_card(errand, state), encoding="utf-8")
            told = unplaced(errand.sealed.receipt)
            Path(place, RECEIPT_NAME).write_text(
                f"{told.model_dump_json(indent=2)}\n", encoding="utf-8"
            )
        result = _result(errand, Path(place))
        total = sum(piece.size for piece in result.pieces.values())
        with state.timed("publish"), reporter.working("publish", total) as advance:
            published = sent_by(
                result, target, wish, hub=hub, overwrite=errand.overwrite, advance=advance
            )
        status: Status = "unchanged" if published.found else "done"
        state.report = replace(state.report, status=status, published=published)
        with state.timed("tag"):
            published = _marked(errand, tagged(published, result, target, wish, hub=hub), hub)
    state.report = replace(state.report, published=published)


def _card(errand: _Errand, state: Run) -> str:
    """The folder's card with the id that it is loaded by; what people wrote in the target's stays.

    What a check let pass when the folder was made passes now.

    Raises:
        CheckFailed: a check of the card says no.
    """
    receipt, target = errand.sealed.receipt, errand.target
    subject = Subject(
        title=target.repo.rpartition("/")[2],
        look=Look.at(errand.sealed.root),
        receipt=receipt,
        standing=read_readme(errand.sealed.root),
        sources=None,
        repo=target.repo,
        revision=errand.tag,
        around=target.readme if target.receipt is not None else None,
    )
    card = describe(subject)
    passed = tuple(f.code for f in receipt.findings if f.outcome == "warn")
    found = judge(card.findings, Settings.model_validate({"ignore": passed})).findings
    every: tuple[Finding, ...] = (*state.report.findings, *found)
    state.report = replace(state.report, findings=every)
    stop_on_failure(Verdict(findings=found))
    return card.text


def _result(errand: _Errand, place: Path) -> Result:
    pieces = {**errand.sealed.pieces, **card_pieces(place)}
    if errand.there:
        pieces = {path: piece for path, piece in pieces.items() if path in UNLISTED}
    return Result(
        receipt=errand.sealed.receipt,
        parties=errand.parties,
        pieces=pieces,
        card_only=errand.there,
    )


def _marked(errand: _Errand, published: Published, hub: Hub) -> Published:
    """A result that stood there without its tag gets it."""
    if not errand.there or errand.standing is not None or errand.tag is None:
        return published
    hub.tag(published.repo, errand.tag, published.commit)
    return replace(published, tag=errand.tag)
