"""One commit, decided whole: what is sent to a Hub, and whether it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adapter_merge.publishing import Publishing
from adapter_merge.readme import README
from adapter_merge.receipt import Receipt
from adapter_merge.remote import Origin, Piece, Publication, RemoteTarget
from adapter_merge.sending.audience import Audience, audience, refuse_by_licence
from adapter_merge.sending.changes import card_changes, changes, refuse_sources, refuse_strangers
from adapter_merge.sending.message import title_of, trailers_of
from adapter_merge.sending.parties import Party
from adapter_merge.sending.tags import chosen_tag


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What is to stand on the Hub.

    Attributes:
        parties: the base, then the adapters.
        pieces: all files of the result, by path.
        card_only: whether the rest of it stands there already, and `pieces` are the card and the receipt.
    """

    receipt: Receipt
    parties: tuple[Party, ...]
    pieces: Mapping[str, Piece]
    card_only: bool = False


def allow(
    parties: tuple[Party, ...], target: RemoteTarget, wish: Publishing, *, overwrite: bool = False
) -> Audience:
    """Who will be able to read the target, if it may be written at all; all of it is known before a merge.

    Raises:
        RequestError: the target is one of the sources.
        TargetNotOurs: it holds somebody else's files.
        Refused: more people may read it than may read the sources.
        LicenceConflict: a gated source would become readable without asking.
    """
    refuse_sources(target, parties)
    refuse_strangers(target, overwrite=overwrite)
    return audience(parties, target, wish)


def publication(
    result: Result,
    target: RemoteTarget,
    wish: Publishing,
    *,
    overwrite: bool = False,
    origins: Mapping[str, Origin] | None = None,
) -> Publication:
    """The commit that makes the target hold the result.

    `origins` are files of other repositories that the Hub can copy, by the sha256 of their content.

    Raises:
        RequestError, TargetNotOurs, Refused: as `allow`.
        LicenceConflict: a licence forbids a repository that those can read who could read this one.
        Conflict: the tag that was asked for stands at another commit.
    """
    decided = allow(result.parties, target, wish, overwrite=overwrite)
    refuse_by_licence(result.receipt.findings, target, decided)
    pieces, deletions = (
        (card_changes(result.pieces, target), ())
        if result.card_only
        else changes(result.pieces, target, origins or {})
    )
    if not result.card_only:
        same = None if pieces or deletions else target.head
        chosen_tag(wish, result.receipt, result.parties, target.tags, commit=same)
    card = result.pieces[README].sha256 if result.card_only else None
    return Publication(
        repo=target.repo,
        branch=target.branch,
        parent=target.head,
        pull_request=wish.publish == "pr",
        access=target.access,
        private=decided.private,
        gated=decided.gated,
        pieces=pieces,
        deletions=deletions,
        title=title_of(result.parties, card=result.card_only),
        trailers=trailers_of(result.receipt, result.parties, card=card),
        kept={path: piece for path, piece in result.pieces.items() if path not in pieces},
    )
