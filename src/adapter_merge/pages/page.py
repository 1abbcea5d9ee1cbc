"""The page: a whole report in one file, for a person who wants to see at a glance and then to look closer."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapter_merge.finding import Outcome, by_weight
from adapter_merge.pages.picture import picture
from adapter_merge.pages.probes import probes
from adapter_merge.pages.render import digest, environment, style
from adapter_merge.plan import LeftBehind
from adapter_merge.proved import proved
from adapter_merge.receipt import SourceRecord
from adapter_merge.report import Report

# What a status says in words, and the sign beside it: nothing is said by colour alone.
_STATUS = {
    "merged": ("✓", "merged and in its place"),
    "bundled": ("✓", "bundled and in its place"),
    "unchanged": ("✓", "unchanged: the target is this very merge already"),
    "done": ("✓", "looked at, and all is well"),
    "published": ("✓", "published"),
    "skipped": ("○", "not tried"),
    "failed": ("✕", "failed"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Source:
    role: str
    record: SourceRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bar:
    """One stage's seconds, and their share of the whole as a length in percent."""

    stage: str
    seconds: float
    start: float
    length: float


def page(report: Report) -> str:
    """One HTML file that loads nothing and runs nothing."""
    css = style("page.css")
    styles = " ".join((digest(css), *styles_of_pictures()))
    template = environment().get_template("report.html.jinja")
    return template.render(told(report), css=css, sources_of_style=styles)


def styles_of_pictures() -> tuple[str, ...]:
    """What lets a page use the styles that its pictures bring along; see `digest`."""
    return digest(style("picture.css")), digest(style("probes.css"))


def told(report: Report) -> dict[str, Any]:
    """A report as the templates want it: `sections.html.jinja` is all of it but its heading."""
    sign, status = _STATUS[_word(report)]
    return {
        "report": report,
        "sign": sign,
        "status": status,
        "sources": _sources(report),
        "loud": by_weight(f for f in report.findings if f.outcome is not Outcome.PASS),
        "passed": [f for f in report.findings if f.outcome is Outcome.PASS],
        "left": _left(report.left_behind),
        "bars": _bars(report.seconds),
        "most": max(report.relative_changes, key=report.relative_changes.__getitem__, default=""),
        "picture": picture(report.relative_changes) if report.relative_changes else None,
        "proved": proved(report.probe),
        "probes": probes(report.probe),
        "shown": _shown,
    }


def _word(report: Report) -> str:
    if report.status == "done" and report.published is not None:
        return "published"
    return report.layout if report.status == "merged" else report.status


def _sources(report: Report) -> list[_Source]:
    found = [_Source(role="adapter", record=adapter) for adapter in report.adapters]
    if report.base is not None:
        found.append(_Source(role="base", record=report.base))
    return found


def _left(files: Sequence[LeftBehind]) -> list[tuple[str, list[LeftBehind]]]:
    """Files by the reason why they stay behind, the commonest reason first."""
    by_reason: dict[str, list[LeftBehind]] = defaultdict(list)
    for file in files:
        by_reason[file.why].append(file)
    return sorted(by_reason.items(), key=lambda pair: -len(pair[1]))


def _bars(seconds: Mapping[str, float]) -> list[_Bar]:
    """The stages one after the other, as they ran."""
    total = max(seconds.get("total", 0.0), 1e-9)
    bars, start = [], 0.0
    for stage, value in seconds.items():
        if stage == "total":
            continue
        length = 100 * value / total
        bars.append(_Bar(stage=stage, seconds=value, start=start, length=length))
        start += length
    return bars


def _shown(value: object) -> str:
    """One side of a declared change."""
    if value is None:
        return "not set"
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
