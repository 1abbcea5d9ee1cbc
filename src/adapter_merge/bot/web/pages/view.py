"""A record as a page shows it: words, signs and addresses, complete before a template sees them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from adapter_merge.bot.order import Progress
from adapter_merge.bot.record import Past, Record, State
from adapter_merge.bot.web.pages.times import Moment, lasting, moment
from adapter_merge.figures import middle, nbytes

_REPO = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
_BRIEF = 240
_COMMIT = re.compile(r"@([0-9a-f]{7})[0-9a-f]{33}(?![0-9a-f])")


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """A state in words, the sign beside it, and its colour: nothing is said by colour alone."""

    sign: str
    word: str
    style: str


# In the order in which people want to see them.
LOOKS: dict[State, Look] = {
    "running": Look(sign="▶", word="running", style="running"),
    "dead": Look(sign="✕", word="given up", style="failed"),
    "failed": Look(sign="✕", word="failed", style="failed"),
    "queued": Look(sign="◷", word="queued", style="waiting"),
    "waiting": Look(sign="◷", word="waiting", style="waiting"),
    "skipped": Look(sign="○", word="skipped", style="skipped"),
    "merged": Look(sign="✓", word="merged", style="merged"),
    "unchanged": Look(sign="✓", word="unchanged", style="merged"),
}
# They last; the others happened.
_LASTING: frozenset[State] = frozenset(["running", "queued", "waiting", "skipped", "unchanged"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """The name of a repository with its commit cut short, and as it is."""

    short: str
    whole: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """How far a stage is; `share` is None where its end isn't known.

    Attributes:
        words: for those who look.
        said: the same in steps of a tenth, for those who listen: it is read out whenever it changes.
    """

    stage: str
    share: float | None
    words: str
    said: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Was:
    """What became of a merge once."""

    look: Look
    reason: str
    at: Moment


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """All that is shown of a record.

    Attributes:
        key: names it inside of a page.
        address: of its own page.
        link: where people see the result or the run; None where that is no address of the web.
        brief: the reason where there is little room; what happened stands in front, what to do at the end.
        is_calm: whether nobody needs to look at its log.
        rest: see `Record`.
    """

    key: str
    address: str
    target: str
    look: Look
    adapters: tuple[Name, ...]
    base: Name | None
    reason: str
    brief: str
    notes: tuple[str, ...]
    bar: Bar | None
    runs: bool
    is_calm: bool
    tries: int
    at: Moment
    until: Moment | None
    started: Moment | None
    link: str | None
    commit: str | None
    past: tuple[Was, ...]


def view(record: Record, now: datetime) -> View:
    """What is shown of a record."""
    runs = record.state == "running"
    return View(
        key=_key(record.target),
        address=address(record.target),
        target=record.target,
        look=LOOKS[record.state],
        adapters=tuple(_name(text) for text in record.adapters),
        base=_name(record.base) if record.base is not None else None,
        reason=record.reason,
        brief=_brief(record.reason),
        notes=record.notes,
        bar=_bar(record.progress) if runs and record.progress is not None else None,
        runs=runs,
        is_calm=record.state not in {"running", "failed", "dead"},
        tries=record.tries,
        at=(lasting if record.state in _LASTING else moment)(record.at, now),
        until=moment(record.until, now) if record.until is not None and not runs else None,
        started=moment(record.started, now) if record.started is not None and not runs else None,
        link=_link(record.url),
        commit=record.commit,
        past=tuple(_was(past, now) for past in record.past),
    )


def address(target: str) -> str:
    """The path of a target's page; what isn't plainly `owner/name` is called by its digest, as no owner is called `~`."""
    return f"/merges/{target if _REPO.fullmatch(target) else f'~/{_key(target)}'}"


def _key(target: str) -> str:
    return f"m{hashlib.sha256(target.encode(errors='surrogatepass')).hexdigest()[:16]}"


def _name(text: str) -> Name:
    return Name(short=_COMMIT.sub(r"@\1", text), whole=text)


def _brief(reason: str) -> str:
    # A literal that is cut has no end; then none is marked.
    return reason if len(reason) <= _BRIEF else middle(reason.replace("`", ""), _BRIEF)


def _bar(progress: Progress) -> Bar:
    stage, total = progress.stage, progress.total
    if total <= 0:
        return Bar(stage=stage, share=None, words=stage, said=stage)
    share = min(max(progress.done / total, 0.0), 1.0)
    percent = int(100 * share)
    figures = f"{nbytes(progress.done)} of {nbytes(total)}"
    return Bar(
        stage=stage,
        share=round(share, 3),
        words=f"{stage}: {percent} %, {figures}",
        said=f"{stage}, {percent // 10 * 10} %",
    )


def _was(past: Past, now: datetime) -> Was:
    return Was(look=LOOKS[past.state], reason=past.reason, at=moment(past.at, now))


def _link(url: str | None) -> str | None:
    """Only an address of the web becomes a link; nothing else is to be followed from here."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return None
    return url if parts.scheme in {"http", "https"} and parts.hostname else None
