"""The parts of a step summary, each as Markdown; whatever a stranger named is text in them, never markup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from adapter_merge.card.markdown import code, fenced, plain, sentence
from adapter_merge.figures import counted, guessed, middle, nbytes, percent
from adapter_merge.finding import Finding, Outcome, by_weight
from adapter_merge.forecast import Forecast, Room
from adapter_merge.github.mermaid import flow, plan_flow
from adapter_merge.plan import Change, LeftBehind, Plan
from adapter_merge.proved import proved
from adapter_merge.receipt import SourceRecord
from adapter_merge.report import Published, Report

# A sign for each status and outcome: nothing is said by colour alone.
SIGNS = {
    "merged": "✓",
    "unchanged": "=",
    "done": "✓",
    "planned": "✎",
    "skipped": "○",
    "failed": "✕",
    "fail": "✕",
    "warn": "!",
    "skip": "○",
}
_ROWS = 40  # of one table; `report.json` has all of them
_NAME = 80
_TEXT = 600

Row = tuple[str, str]


def word(report: Report, *, dry: bool = False) -> str:
    """The status; what a `dry` run has done is a plan."""
    return "planned" if dry and report.status == "done" else report.status


def of_report(report: Report, *, whole: bool = True, dry: bool = False) -> Iterator[str]:
    """What came of one merge or one look at a result, the important parts first; not `whole`, only those."""
    status = word(report, dry=dry)
    to = f": {code(middle(report.to, _NAME))}" if report.to else ""
    yield f"## {SIGNS[status]} {report.layout if status == 'merged' else status}{to}"
    if report.reason:
        yield sentence(plain(report.reason, _TEXT))
    yield from (sentence(plain(note, _TEXT)) for note in report.notes[:_ROWS])
    if report.error is not None:
        error = report.error
        yield f"**{error.type}**, exit code {error.code}: {sentence(plain(error.message, _TEXT))}"
        yield f"Next: {sentence(plain(error.hint, _TEXT))}"
    if whole and (diagram := flow(report)):
        yield fenced(diagram, "mermaid")
    if facts := list(_facts(report)):
        yield _table(("", ""), facts)
    yield from _findings(report.findings)
    if whole:
        yield from _changes(report.changes)
        yield from _left(report.left_behind)
        yield from _times(report)


def of_plan(plan: Plan, forecast: Forecast, *, whole: bool = True) -> Iterator[str]:
    """What would be done; not `whole`, without the diagram and the lists."""
    yield f"## {SIGNS['planned']} planned: {code(middle(plan.to, _NAME))}"
    yield "Nothing was written; `command: run` does it."
    if whole:
        yield fenced(plan_flow(plan), "mermaid")
    yield _table(("", ""), _planned(plan, forecast))
    if whole:
        yield from _changes(plan.changes)
        yield from _left(plan.left_behind)


def of_several(reports: Sequence[Report], *, dry: bool = False) -> str:
    """What came of several merges, a row for each."""
    head = ("", "target", "from", "what would come of it" if dry else "what came of it")
    return _table(head, (_one(report, word(report, dry=dry)) for report in reports))


def _one(report: Report, status: str) -> tuple[str, ...]:
    adapters = " and ".join(code(middle(a.source, _NAME)) for a in report.adapters[:4])
    why = report.error.message if report.error is not None else report.reason
    told = f"{status}: {sentence(plain(why, _TEXT))}" if why else status
    return (SIGNS[status], code(middle(report.to or "", _NAME)), adapters, told)


def _facts(report: Report) -> Iterator[Row]:
    yield from ((_role(n, report), _source(a)) for n, a in enumerate(report.adapters[:8]))
    if report.base is not None:
        yield "base", _source(report.base)
    if report.published is not None:
        yield from _published(report.published)
    elif report.waits is not None:
        yield "waits in", code(report.waits)
    counts = report.counts
    if "tensors_edited" in counts and report.layout == "merged":
        yield "tensors", f"{counts['tensors_edited']:,} edited of {counts['tensors_total']:,}"
    if values := report.relative_changes.values():
        yield (
            "relative change",
            f"{percent(median(values))} in the median, {percent(max(values))} at most",
        )
    if outputs := proved(report.probe):
        yield "outputs", sentence(outputs)
    if report.files:
        size = nbytes(sum(file.size for file in report.files.values()))
        yield "files", f"{len(report.files)}, {size}"
    if report.recipe:
        yield "recipe", code(report.recipe[:12])


def _role(number: int, report: Report) -> str:
    return "adapter" if len(report.adapters) == 1 else f"adapter {number + 1}"


def _source(record: SourceRecord) -> str:
    at = f" at {code(record.commit[:12])}" if record.commit else ""
    weight = f", weight {record.weight:g}" if record.weight not in {None, 1} else ""
    return f"{code(middle(record.source, _NAME))}{at}{weight}"


def _published(published: Published) -> Iterator[Row]:
    where = f"pull request {published.pull_request}" if published.pull_request else "commit"
    found = ", which stood there already" if published.found else ""
    yield "published", f"[{where} {code(published.commit[:12])}]({_link(published.url)}){found}"
    if published.tag:
        yield "tag", code(published.tag)
    why = f" ({sentence(published.why)})" if published.why else ""
    yield "who may read it", f"{published.visibility}{why}"
    yield "sent", f"{nbytes(published.moved)}; {nbytes(published.kept)} were there"
    if published.since_tag:
        yield "weights changed since", code(published.since_tag)


def _link(url: str) -> str:
    """An address that can't end its brackets."""
    return "".join(c if c.isalnum() or c in "-._~:/?#@!$&*+,;=%" else f"%{ord(c):02X}" for c in url)


def _planned(plan: Plan, forecast: Forecast) -> Iterator[Row]:
    for adapter in plan.adapters[:8]:
        yield "adapter", code(middle(adapter.source, _NAME))
    yield "base", code(middle(plan.base, _NAME))
    traffic = forecast.traffic
    if traffic is not None and traffic.stored_bytes:
        yield (
            "pulls",
            f"{nbytes(traffic.pulled_bytes)} of repositories with {nbytes(traffic.stored_bytes)}",
        )
    if traffic is not None and traffic.repo is not None:
        why = f" ({sentence(traffic.why)})" if traffic.why else ""
        yield "publishes", f"{nbytes(traffic.added_bytes)}, {traffic.visibility}{why}"
    if "tensors_edited" in plan.counts:
        yield (
            "tensors",
            f"{plan.counts['tensors_edited']:,} edited of {plan.counts['tensors_total']:,}",
        )
    yield "writes", f"{nbytes(plan.size)} in {counted(len(plan.shards), 'weight file')}"
    yield "disk", _room(forecast)
    if forecast.cache is not None:
        yield "cache's disk", _room(forecast.cache)
    yield "takes", guessed(forecast.seconds)
    yield "recipe", code(plan.recipe[:12])


def _room(room: Forecast | Room) -> str:
    return f"{nbytes(room.needed_bytes)} needed, {nbytes(room.free_bytes)} free"


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    loud = by_weight(f for f in findings if f.outcome is not Outcome.PASS)
    if loud:
        rows = (
            (
                f"{SIGNS[said.outcome]} {said.outcome}",
                " ".join(said.codes),
                code(middle(said.subject, _NAME)),
                sentence(plain(said.message, _TEXT)),
            )
            for said in loud
        )
        yield f"### Checks\n\n{_table(('', 'code', 'of', 'what was seen'), rows)}"
    passed = sorted({f.code for f in findings if f.outcome is Outcome.PASS})
    if passed:
        yield f"{counted(len(passed), 'check')} passed: {' '.join(passed)}."


def _changes(changes: Sequence[Change]) -> Iterator[str]:
    if changes:
        rows = ((code(c.subject), sentence(c.why)) for c in changes)
        yield _folded(f"{counted(len(changes), 'declared change')}", _table(("what", "why"), rows))


def _left(left: Sequence[LeftBehind]) -> Iterator[str]:
    if left:
        reasons = Counter(file.why for file in left).most_common()
        rows = ((str(count), sentence(why)) for why, count in reasons)
        title = f"{counted(len(left), 'file')} of the sources left behind"
        yield _folded(title, _table(("files", "why"), rows))


def _times(report: Report) -> Iterator[str]:
    if report.seconds:
        rows = ((stage, f"{seconds:.1f} s") for stage, seconds in report.seconds.items())
        memory = f", {nbytes(report.peak_rss_bytes)} of memory" if report.peak_rss_bytes else ""
        total = report.seconds.get("total", 0)
        yield _folded(f"{total:.1f} s{memory}", _table(("stage", "time"), rows))


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = list(rows)
    shown = [f"| {' | '.join(line)} |" for line in lines[:_ROWS]]
    table = "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *shown])
    more = len(lines) - _ROWS
    return f"{table}\n\nand {more} more; `report.json` has them all" if more > 0 else table
