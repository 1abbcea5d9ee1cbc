"""One discussion in an adapter's repository while merges of it fail: a paragraph a target, and closed once all are well.

What readers of the adapter may not know isn't in it: the names of a target or a base that they can't see.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from adapter_merge.card.markdown import code, plain, quiet, sentence
from adapter_merge.errors import (
    AdapterMergeError,
    CheckFailed,
    PlanError,
    SourceError,
    UnsupportedError,
)
from adapter_merge.ports import Hub
from adapter_merge.receipt import SourceRecord
from adapter_merge.remote import Access, Topic
from adapter_merge.report import ErrorRecord, Report
from adapter_merge.request import RepoRef

TITLE = "This adapter can't be merged"
_HEAD = (
    "A merge of this adapter into its base model fails. This text is kept up to date, and the discussion is closed once the adapter "
    "can be merged; close it yourself, and it isn't opened again for the same reason."
)
_SOLVED = "The adapter was merged. Nothing is left to be done here."
_PART = re.compile(
    r"<!-- adapter-merge: (?P<key>[0-9a-f]{16}) -->\n(?P<text>.*?)\n<!-- end -->", re.DOTALL
)
# What is wrong with an adapter, or between it and its base: nothing that a token, a disk or a network decides.
_OF_THE_ADAPTER = frozenset(
    e.exit_code for e in (SourceError, UnsupportedError, PlanError, CheckFailed)
)
_LOCKED_OUT = "Gated"
_HIDDEN = "a repository that isn't public"
_TEXT = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class Voice:
    """Who speaks.

    Attributes:
        signature: says at the end who that is, and how to have it stop, as Markdown.
        secrets: what nobody must read.
    """

    signature: str
    secrets: tuple[str, ...] = ()


def adapters_of(reports: Iterable[Report]) -> Mapping[str, tuple[Report, ...]]:
    """The adapters on a Hub of which there is something to say, each with its reports."""
    found: dict[str, tuple[Report, ...]] = {}
    for report in (r for r in reports if _is_well(r) or _is_told(r.error)):
        repos = dict.fromkeys(RepoRef.model_validate(a.source).repo for a in report.adapters)
        for repo in (r for r in repos if r is not None):
            found[repo] = (*found.get(repo, ()), report)
    return found


def _is_well(report: Report) -> bool:
    return report.status in {"merged", "unchanged"} and report.error is None


def _is_told(error: ErrorRecord | None) -> bool:
    return error is not None and error.code in _OF_THE_ADAPTER and error.type != _LOCKED_OUT


def discuss(adapter: str, reports: tuple[Report, ...], *, hub: Hub, voice: Voice) -> str:
    """Bring the adapter's discussion up to date; the result is its page, empty where none is open or was closed now.

    Raises:
        Refused: the token may not write there.
        HubUnavailable: the Hub doesn't answer.
    """
    found = {
        _key(r): None if _is_well(r) else _part(r, _secret(r, adapter, hub), voice) for r in reports
    }
    return hub.discuss(adapter, TITLE, partial(revised, found=found, signature=voice.signature))


def revised(
    standing: str | None, *, found: Mapping[str, str | None], signature: str
) -> Topic | None:
    """What the discussion is to be: each target's paragraph is the new one, gone where it is None, and else stays."""
    parts: dict[str, str | None] = {m["key"]: m["text"] for m in _PART.finditer(standing or "")}
    parts |= found
    left = {key: text for key, text in parts.items() if text is not None}
    if left:
        marked = (f"<!-- adapter-merge: {k} -->\n{t}\n<!-- end -->" for k, t in left.items())
        return Topic(text="\n\n".join([_HEAD, *marked, signature]), is_open=True)
    if standing is None:
        return None
    return Topic(text=f"{_SOLVED}\n\n{signature}", is_open=False)


def _key(report: Report) -> str:
    """What tells one target from another, without its name."""
    return hashlib.sha256((report.to or "").casefold().encode()).hexdigest()[:16]


def _part(report: Report, secret: frozenset[str], voice: Voice) -> str:
    assert report.error is not None  # noqa: S101 - `_is_told` has looked
    error = report.error
    said = (
        f"Into {_named(report.to, secret)}{_at(report.adapters)}: **{error.type}**",
        sentence(plain(_without(error.message, secret, voice), _TEXT)),
        f"Next: {sentence(plain(_without(error.hint, secret, voice), _TEXT))}",
    )
    return quiet("\n\n".join(said)).replace("<!--", "<!\N{WORD JOINER}--")


def _named(to: str | None, secret: frozenset[str]) -> str:
    ref = RepoRef.model_validate(to or "./")
    if ref.repo is None:
        return "a folder"
    return _HIDDEN if ref.repo in secret else code(ref.repo)


def _at(adapters: Iterable[SourceRecord]) -> str:
    commits = [code(a.commit[:7]) for a in adapters if a.commit]
    return f", at {' and '.join(commits)}" if commits else ""


def _without(text: str, secret: Iterable[str], voice: Voice) -> str:
    for word in voice.secrets:
        text = text.replace(word, "***")
    for name in sorted(secret, key=len, reverse=True):
        text = text.replace(name, _HIDDEN)
    return text


def _secret(report: Report, adapter: str, hub: Hub) -> frozenset[str]:
    """The names in a report that readers of the adapter may not know: folders, and repositories that are less open."""
    named = [report.to or "", report.base.source if report.base is not None else ""]
    refs = [RepoRef.model_validate(name) for name in named if name]
    folders = {ref.text for ref in refs if ref.repo is None}
    repos = {ref.repo for ref in refs if ref.repo is not None} - {adapter}
    return frozenset(folders | set(_less_open(repos, adapter, hub)))


def _less_open(repos: Iterable[str], adapter: str, hub: Hub) -> Iterator[str]:
    """A name may be known where everybody can see the repository, or where both are one owner's private ones."""
    own = adapter.partition("/")[0]
    is_private = _access(adapter, hub) is Access.PRIVATE
    for repo in repos:
        same = is_private and repo.partition("/")[0] == own
        if not same and _access(repo, hub) not in {Access.OPEN, Access.GATED}:
            yield repo


def _access(repo: str, hub: Hub) -> Access | None:
    try:
        return hub.target(RepoRef.model_validate(f"hf://{repo}"), None).access
    except AdapterMergeError:
        return None
