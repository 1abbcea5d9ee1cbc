"""The first page: all merges, those first that somebody may want to do something about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapter_merge.bot.record import Record, State
from adapter_merge.bot.standing import Standing
from adapter_merge.bot.web.health import unready
from adapter_merge.bot.web.pages.times import Moment, moment, span
from adapter_merge.bot.web.pages.view import LOOKS, Look, View, view

_PAGE = 100
_ORDER: tuple[State, ...] = tuple(LOOKS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A link that shows some of the merges."""

    words: str
    count: int
    address: str
    is_here: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """What the page shows.

    Attributes:
        look: of the bot itself.
        reasons: what is in the way.
        said: how many merges are in which state.
        choices: by state; empty where all are in one.
        earlier, later: addresses of more.
    """

    look: Look
    reasons: tuple[str, ...]
    every: str
    looked: Moment | None
    said: str
    choices: tuple[Choice, ...]
    views: tuple[View, ...]
    count: int
    chosen: str | None
    earlier: str | None
    later: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What was asked for: merges in one state, and which hundred of them, from 1."""

    state: State | None = None
    page: int = 1


def listing(records: Sequence[Record], standing: Standing, asked: Asked, now: datetime) -> Listing:
    """Choose, sort and cut."""
    counts = Counter(record.state for record in records)
    chosen = [r for r in records if asked.state in {None, r.state}]
    chosen.sort(key=lambda r: (_ORDER.index(r.state), -r.at.timestamp(), r.target))
    last = max(-(-len(chosen) // _PAGE), 1)
    page = min(max(asked.page, 1), last)
    look, reasons = _standing(standing, now)
    return Listing(
        look=look,
        reasons=reasons,
        every=span(standing.interval),
        looked=moment(standing.looked, now) if standing.looked is not None else None,
        said=", ".join(f"{counts[s]} {LOOKS[s].word}" for s in _ORDER if counts[s]),
        choices=_choices(counts, asked.state),
        views=tuple(view(r, now) for r in chosen[(page - 1) * _PAGE : page * _PAGE]),
        count=len(records),
        chosen=LOOKS[asked.state].word if asked.state is not None else None,
        earlier=_address(asked.state, page - 1) if page > 1 else None,
        later=_address(asked.state, page + 1) if page < last else None,
    )


def _standing(standing: Standing, now: datetime) -> tuple[Look, tuple[str, ...]]:
    reasons = unready(standing, now)
    if not reasons:
        return Look(sign="✓", word="merges follow their adapters", style="merged"), ()
    if standing.paused:
        return Look(sign="○", word="paused: nothing is merged for now", style="skipped"), reasons
    if standing.looked is None and standing.trouble is None and not standing.gone:
        return Look(sign="◷", word="looking at the Hub for the first time", style="waiting"), ()
    return Look(sign="✕", word="merges don't follow their adapters now", style="failed"), reasons


def _choices(counts: Counter[State], state: State | None) -> tuple[Choice, ...]:
    if len(counts) < 2 and state is None:
        return ()
    every = Choice(words="all", count=counts.total(), address="/", is_here=state is None)
    return (
        every,
        *(
            Choice(words=LOOKS[s].word, count=counts[s], address=_address(s), is_here=s == state)
            for s in _ORDER
            if counts[s] or s == state
        ),
    )


def _address(state: State | None, page: int = 1) -> str:
    asked = [*([f"state={state}"] if state else []), *([f"page={page}"] if page > 1 else [])]
    return f"/?{'&'.join(asked)}" if asked else "/"
