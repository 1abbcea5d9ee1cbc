"""Which files a commit puts and which it takes away; what is not ours is never touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from adapter_merge.errors import RequestError, TargetNotOurs
from adapter_merge.receipt import RECEIPT_NAME
from adapter_merge.remote import OF_THE_HUB, Origin, Piece, RemoteTarget
from adapter_merge.sending.parties import Party

_WORTH_COPYING = 1 << 20  # bytes; less is sent sooner than the Hub is asked for it


def changes(
    pieces: Mapping[str, Piece], target: RemoteTarget, origins: Mapping[str, Origin]
) -> tuple[Mapping[str, Piece], tuple[str, ...]]:
    """What makes a target that may be written hold these files and no others: puts and deletions."""
    put = {path: _copied(piece, origins) for path, piece in _differing(pieces, target).items()}
    old = target.files.keys() - pieces.keys() - OF_THE_HUB
    return put, tuple(sorted(old))


def card_changes(pieces: Mapping[str, Piece], target: RemoteTarget) -> Mapping[str, Piece]:
    """What gives a result that stands a new card.

    Raises:
        TargetNotOurs: there is none.
    """
    if target.receipt is None:
        raise _not_ours(target)
    return _differing(pieces, target)


def _differing(pieces: Mapping[str, Piece], target: RemoteTarget) -> Mapping[str, Piece]:
    return {path: p for path, p in sorted(pieces.items()) if not p.equals(target.files.get(path))}


def _copied(piece: Piece, origins: Mapping[str, Origin]) -> Piece:
    origin = origins.get(piece.sha256 or "")
    return piece if origin is None or piece.size < _WORTH_COPYING else replace(piece, origin=origin)


def are_worth_copying(pieces: Mapping[str, Piece], target: RemoteTarget) -> bool:
    """Whether what differs is so large that other repositories should be looked at for it."""
    return any(p.size >= _WORTH_COPYING for p in _differing(pieces, target).values())


def refuse_strangers(target: RemoteTarget, *, overwrite: bool) -> None:
    """Somebody else's files stay, unless they are to be replaced.

    Raises:
        TargetNotOurs: there are some.
    """
    if target.foreign and not overwrite:
        raise _not_ours(target)


def refuse_sources(target: RemoteTarget, parties: tuple[Party, ...]) -> None:
    """Sources stay what they are.

    Raises:
        RequestError: the target is one of them.
    """
    for party in parties:
        if party.repo is not None and party.repo.casefold() == target.repo.casefold():
            raise RequestError(
                f"the target `{target.repo}` is a source of this merge, and would be overwritten",
                hint="Name another repository with `--to`.",
            )


def _not_ours(target: RemoteTarget) -> TargetNotOurs:
    first, *more = target.foreign or (RECEIPT_NAME,)
    others = f" and {len(more)} more" if more else ""
    what = f"holds `{first}`{others}, which no receipt of this program lists"
    return TargetNotOurs(
        f"`{target.repo}` {what if target.foreign else f'has no `{first}` that can be read'}",
        hint="Name another repository with `--to`, or replace what is there with `--overwrite`.",
    )
