"""Publish: send a result to its target on a Hub as one commit, and tag that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from adapter_merge.errors import SourceError
from adapter_merge.ports import Hub
from adapter_merge.publishing import Publishing
from adapter_merge.remote import Origin, RemoteFile, RemoteTarget
from adapter_merge.report import Published, visibility
from adapter_merge.sending import (
    AUTOMATIC,
    Result,
    allow,
    are_worth_copying,
    chosen_tag,
    publication,
)

_MOST_TAGS = 20  # that are looked at for other weights


def publish(
    result: Result,
    target: RemoteTarget,
    wish: Publishing,
    *,
    hub: Hub,
    overwrite: bool = False,
    advance: Callable[[int], None] | None = None,
) -> Published:
    """Send what differs in one commit, and read it back; where nothing differs, nothing is sent.

    `tagged` comes after it. `advance` gets bytes, all of the result's by the end.

    Raises:
        RequestError: the target is one of the sources.
        PublishError: the target, a licence or a tag forbids it, or it has moved meanwhile.
        HubUnavailable: the Hub doesn't answer; the next run finds what was sent.
    """
    decided = publication(
        result, target, wish, overwrite=overwrite, origins=_origins(result, target, hub)
    )
    sent = hub.send(decided, advance)
    kept = sum(piece.size for piece in result.pieces.values()) - sent.moved
    if advance is not None:
        advance(kept)
    return Published(
        repo=target.repo,
        branch=target.branch,
        commit=sent.commit,
        url=sent.url,
        pull_request=sent.pull_request,
        tag=None,
        since_tag=None,
        moved=sent.moved,
        kept=kept,
        found=sent.found,
        visibility=visibility(sent.access),
        why=allow(result.parties, target, wish, overwrite=overwrite).why,
        title="" if sent.found else decided.title,
    )


def tagged(
    published: Published, result: Result, target: RemoteTarget, wish: Publishing, *, hub: Hub
) -> Published:
    """Tag what stands there now, and find since which tag the weights are other ones.

    Raises:
        Conflict: somebody has set that tag meanwhile.
        HubUnavailable: the Hub doesn't answer; the commit stands, and the next run tags it.
    """
    tag = None if result.card_only else _tagged(published, result, target, wish, hub)
    return replace(published, tag=tag, since_tag=_since(published, target, hub))


def _origins(result: Result, target: RemoteTarget, hub: Hub) -> Mapping[str, Origin]:
    """Files of the sources that the Hub can copy by itself, by sha256; empty where that is of no use."""
    if not are_worth_copying(result.pieces, target):
        return {}
    found: dict[str, Origin] = {}
    for party in result.parties:
        if party.repo is None or party.commit is None:
            continue
        try:
            files = hub.files(party.repo, party.commit)
        except SourceError:
            continue  # gone, or closed, since it was read; the bytes are here
        for path, file in files.items():
            if file.xet and file.sha256 is not None:
                origin = Origin(repo=party.repo, commit=party.commit, path=path)
                found.setdefault(file.sha256, origin)
    return found


def _tagged(
    published: Published, result: Result, target: RemoteTarget, wish: Publishing, hub: Hub
) -> str | None:
    if published.pull_request is not None:
        return None
    name = chosen_tag(wish, result.receipt, result.parties, target.tags, commit=published.commit)
    if name is not None:
        hub.tag(target.repo, name, published.commit)
    return name


def _since(published: Published, target: RemoteTarget, hub: Hub) -> str | None:
    """The newest tag of ours at which the weights were other ones."""
    if not any(name.startswith(AUTOMATIC) for name in target.tags):
        return None
    weights = _weights(hub.files(target.repo, published.commit))
    for name, commit in _newest(target, hub):
        if _weights(hub.files(target.repo, commit)) != weights:
            return name
    return None


def _newest(target: RemoteTarget, hub: Hub) -> Iterator[tuple[str, str]]:
    """Tags of ours on the branch with their commits, newest first."""
    by_commit = {c: name for name, c in sorted(target.tags.items()) if name.startswith(AUTOMATIC)}
    left = min(len(by_commit), _MOST_TAGS)
    if left == 0 or target.head is None:
        return
    for commit in hub.history(target.repo, target.head):
        if commit.id in by_commit:
            yield by_commit[commit.id], commit.id
            left -= 1
        if left == 0:
            return


def _weights(files: Mapping[str, RemoteFile]) -> Mapping[str, str]:
    return {
        path: file.digest
        for path, file in files.items()
        if PurePosixPath(path).suffix == ".safetensors"
    }
