"""What is sent to a Hub, decided before anything is: who may read it, which files, which words, which tag."""

from __future__ import annotations

from adapter_merge.sending.audience import audience, refuse_by_licence
from adapter_merge.sending.changes import are_worth_copying
from adapter_merge.sending.decide import Result, allow, publication
from adapter_merge.sending.message import CARD, REVERTS, same_work, trailers_in, trailers_of
from adapter_merge.sending.parties import Party, parties_at_hand, parties_of
from adapter_merge.sending.pieces import card_pieces, git_oid, pieces_of
from adapter_merge.sending.tags import (
    AUTOMATIC,
    automatic_tag,
    chosen_tag,
    require_free,
    standing_tag,
)

__all__ = [
    "AUTOMATIC",
    "CARD",
    "REVERTS",
    "Party",
    "Result",
    "allow",
    "are_worth_copying",
    "audience",
    "automatic_tag",
    "card_pieces",
    "chosen_tag",
    "git_oid",
    "parties_at_hand",
    "parties_of",
    "pieces_of",
    "publication",
    "refuse_by_licence",
    "require_free",
    "same_work",
    "standing_tag",
    "trailers_in",
    "trailers_of",
]
