"""Revert: give a target on a Hub what an earlier receipt lists, in a new commit; nothing is unmade."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from adapter_merge.errors import RevisionMissing, TargetNotOurs
from adapter_merge.ports import Hub
from adapter_merge.receipt import Receipt
from adapter_merge.remote import (
    OF_THE_HUB,
    UNLISTED,
    Origin,
    Piece,
    Publication,
    RemoteFile,
    RemoteTarget,
)
from adapter_merge.report import Published, visibility
from adapter_merge.sending import REVERTS, parties_of, trailers_of

_MOST = 200  # commits that are looked at


def revert(
    target: RemoteTarget, *, hub: Hub, to: str | None = None, pull_request: bool = False
) -> Published:
    """Restore the newest earlier state whose receipt lists other files, or the state at the tag or commit `to`.

    The card goes back with it, with all that people had written there. Files of others stay.

    Raises:
        TargetNotOurs: there is no result of ours, or its earlier state would replace somebody else's file.
        RevisionMissing: there is no such state.
        PublishError, HubUnavailable: as `publish`.
    """
    now = _ours(target)
    commit, then = _named(target, to, hub) if to is not None else _earlier(target, now, hub)
    state = hub.files(target.repo, commit)
    decided = reversion(target, commit, then, state, pull_request=pull_request)
    sent = hub.send(decided)
    return Published(
        repo=target.repo,
        branch=target.branch,
        commit=sent.commit,
        url=sent.url,
        pull_request=sent.pull_request,
        tag=None,
        since_tag=None,
        moved=sent.moved,
        kept=sum(file.size for path, file in state.items() if path in _listed(then)) - sent.moved,
        found=sent.found,
        visibility=visibility(sent.access),
        title="" if sent.found else decided.title,
    )


def _ours(target: RemoteTarget) -> Receipt:
    if target.receipt is None or target.head is None:
        raise TargetNotOurs(
            f"`{target.repo}` has no receipt of this program, so nothing says what it held before",
            hint="Name a repository that this program has published to.",
        )
    return target.receipt


def _named(target: RemoteTarget, to: str, hub: Hub) -> tuple[str, Receipt]:
    commit = target.tags.get(to)
    for known in _history(target, hub) if commit is None else ():
        if known.startswith(to) and len(to) >= 7:
            commit = known
            break
    receipt = None if commit is None else hub.receipt(target.repo, commit)
    if commit is None or receipt is None:
        raise RevisionMissing(
            f"`{target.repo}` has no result of this program at `{to}`",
            hint="Name one of its tags or commits, or leave it out for the state before this one.",
        )
    return commit, receipt


def _earlier(target: RemoteTarget, now: Receipt, hub: Hub) -> tuple[str, Receipt]:
    for commit in _history(target, hub):
        receipt = None if commit == target.head else hub.receipt(target.repo, commit)
        if receipt is not None and receipt.files != now.files:
            return commit, receipt
    raise RevisionMissing(
        f"`{target.repo}` has no earlier result of this program than the one that stands",
        hint="Merge with other inputs, or restore what you want by hand.",
    )


def _history(target: RemoteTarget, hub: Hub) -> Iterator[str]:
    found = hub.history(target.repo, target.head or "")
    return (commit.id for commit in islice(found, _MOST))


def reversion(
    target: RemoteTarget,
    commit: str,
    receipt: Receipt,
    state: Mapping[str, RemoteFile],
    *,
    pull_request: bool = False,
) -> Publication:
    """The commit that gives a target what `receipt` lists, from its own files at `commit`; no byte moves.

    Raises:
        TargetNotOurs: somebody else's file lies where one of them goes.
        RevisionMissing: that state lacks a file of its receipt.
    """
    wanted = _listed(receipt)
    _require_room(target, wanted)
    lost = sorted(receipt.files.keys() - state.keys() - OF_THE_HUB)
    if lost:
        raise RevisionMissing(
            f"`{target.repo}` at {commit[:7]} lacks `{lost[0]}`, which its receipt lists",
            hint="Name another state with its tag or commit.",
        )
    old = _listed(target.receipt) & target.files.keys()
    tag = next((name for name, at in sorted(target.tags.items()) if at == commit), commit[:7])
    parties = parties_of(receipt.base, receipt.adapters, {})
    files = {path: file for path, file in sorted(state.items()) if path in wanted}
    pieces = {path: _piece(target.repo, commit, path, file) for path, file in files.items()}
    same = {path for path, file in files.items() if _same(file, target.files.get(path))}
    return Publication(
        repo=target.repo,
        branch=target.branch,
        parent=target.head,
        pull_request=pull_request,
        access=target.access,
        private=None,
        gated=False,
        pieces={path: piece for path, piece in pieces.items() if path not in same},
        deletions=tuple(sorted(old - state.keys() | old - wanted)),
        title=f"Revert to {tag}",
        trailers=(*trailers_of(receipt, parties), (REVERTS, target.head or "")),
        kept={path: piece for path, piece in pieces.items() if path in same},
    )


def _listed(receipt: Receipt | None) -> frozenset[str]:
    """Files that are ours: those of a receipt, the card and itself."""
    if receipt is None:
        return frozenset()
    return (UNLISTED | receipt.files.keys()) - OF_THE_HUB


def _require_room(target: RemoteTarget, wanted: frozenset[str]) -> None:
    taken = sorted(wanted.intersection(target.foreign))
    if taken:
        raise TargetNotOurs(
            f"`{taken[0]}` in `{target.repo}` is somebody else's, and the earlier state has a file of that name",
            hint="Move it away there, and run again.",
        )


def _piece(repo: str, commit: str, path: str, file: RemoteFile) -> Piece:
    origin = Origin(repo=repo, commit=commit, path=path)
    return Piece(size=file.size, sha256=file.sha256, oid=file.oid, origin=origin)


def _same(one: RemoteFile, other: RemoteFile | None) -> bool:
    return other is not None and one.digest == other.digest
