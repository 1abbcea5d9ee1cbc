"""The words of a commit: a title for people, trailers by which a later run knows its own work."""

from __future__ import annotations

import re
from collections.abc import Iterable

from adapter_merge.receipt import Receipt
from adapter_merge.sending.parties import Party

RECIPE = "Adapter-Merge-Recipe"
ADAPTER = "Adapter-Merge-Adapter"
BASE = "Adapter-Merge-Base"
CARD = "Adapter-Merge-Card"
REVERTS = "Adapter-Merge-Reverts"

# Two commits that agree in these do the same work, whatever else is said of it.
_OF_THE_WORK = frozenset({RECIPE, CARD, REVERTS})
_TRAILER = re.compile(r"^(Adapter-Merge-[A-Za-z]+): (\S+)[ \t]*$", re.MULTILINE)
_LONGEST = 120  # characters of a title

Trailers = tuple[tuple[str, str], ...]


def title_of(parties: tuple[Party, ...], *, card: bool = False) -> str:
    """One line for people."""
    base, first, *more = (party.name for party in parties)
    others = f" and {len(more)} more" if more else ""
    text = f"Merge {first}{others} into {base}"
    if card:
        text = f"Refresh the model card: {first}{others} in {base}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def trailers_of(
    receipt: Receipt, parties: tuple[Party, ...], *, card: str | None = None
) -> Trailers:
    """What a result was made of; `card` is the sha256 of the card, where nothing else is sent."""
    base, *adapters = parties
    return (
        (RECIPE, receipt.recipe),
        *((ADAPTER, adapter.pin) for adapter in adapters),
        (BASE, base.pin),
        *(((CARD, card),) if card is not None else ()),
    )


def trailers_in(message: str) -> Trailers:
    """The trailers of a commit; they are anybody's word, so what they claim is to be looked at."""
    return tuple((m[1], m[2]) for m in _TRAILER.finditer(message.replace("\r\n", "\n")))


def same_work(one: Iterable[tuple[str, str]], other: Iterable[tuple[str, str]]) -> bool:
    """Whether two commits say that they do the same; those that say nothing never do."""
    first, second = (sorted(t for t in both if t[0] in _OF_THE_WORK) for both in (one, other))
    return bool(first) and first == second
