"""The step summary: what came of what, for people who look at a run's page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapter_merge.card.markdown import code, sentence
from adapter_merge.forecast import Forecast
from adapter_merge.github.blocks import of_plan, of_report, of_several
from adapter_merge.plan import Plan
from adapter_merge.report import Report

MOST = 1024 * 1024  # bytes that GitHub takes of a step
_LEFT_OUT = "\n\n*More was left out here. The report's pages have all of it.*\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a summary tells of.

    Attributes:
        reports: one for each merge, or one alone.
        plan: of a dry run.
        note: what people should know first, such as why there was no token; empty where there is nothing.
        dry: whether the reports are of a dry run.
    """

    reports: tuple[Report, ...] = ()
    plan: tuple[Plan, Forecast] | None = None
    note: str = ""
    dry: bool = False


def summary(told: Told) -> str:
    """The Markdown, whole blocks up to the limit."""
    return fitted([*_blocks(told, whole=True), *_made_by(told.reports)], MOST)


def short(told: Told) -> tuple[str, ...]:
    """The blocks that matter most, for where a summary is one word of a conversation."""
    return tuple(_blocks(told, whole=False))


def _blocks(told: Told, *, whole: bool) -> Iterator[str]:
    if told.note:
        yield f"> {sentence(told.note)}"
    if told.plan is not None:
        yield from of_plan(*told.plan, whole=whole)
    if told.dry and told.reports:
        yield "Nothing was written: this was a dry run."
    if len(told.reports) > 1:
        yield of_several(told.reports, dry=told.dry)
    for report in told.reports:
        if len(told.reports) == 1 or report.status in {"merged", "failed"}:
            yield from of_report(report, whole=whole, dry=told.dry)


def _made_by(reports: Sequence[Report]) -> Iterator[str]:
    versions = next((r.versions for r in reports if r.versions), {})
    if versions:
        said = ", ".join(f"{name} {code(version)}" for name, version in versions.items())
        yield f"<sub>{said}</sub>"


def fitted(blocks: Iterable[str], most: int) -> str:
    """Blocks with an empty line between them, as many as fit, and a sentence where one doesn't."""
    room = most - len(_LEFT_OUT.encode())
    parts = list[str]()
    for block in blocks:
        room -= len(block.encode()) + 2
        if room < 0:
            return "\n\n".join(parts) + _LEFT_OUT
        parts.append(block)
    return "\n\n".join([*parts, ""])


def write_summary(path: Path, text: str) -> None:
    """Add to the runner's file."""
    with path.open("a", encoding="utf-8", errors="replace") as file:
        file.write(f"{text}\n")
