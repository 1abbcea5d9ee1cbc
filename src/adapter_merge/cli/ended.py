"""The end of a command: a summary that can be scanned, or in three lines what failed, on what, and what is next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import median

from rich.table import Table
from rich.text import Text

from adapter_merge.cli.delivered import delivered, next_step
from adapter_merge.cli.screen import tensors, weighed
from adapter_merge.cli.show import Cell, labelled
from adapter_merge.figures import at_least, counted, nbytes, percent, printable
from adapter_merge.finding import WEIGHT
from adapter_merge.proved import proved
from adapter_merge.receipt import RetrievalRecord
from adapter_merge.report import ErrorRecord, Report

Row = tuple[str, Cell]


def summary(report: Report) -> Table:
    """What came of a command, and what to do next."""
    if report.error is not None:
        return failure(report.error, about(report))
    return labelled(_rows(report))


def failure(error: ErrorRecord, inputs: Cell) -> Table:
    """Three rows: what happened to which thing, with which inputs, and the next step."""
    what = f"{error.message} ({error.type}, exit code {error.code})"
    return labelled([("failed", what), ("with", inputs), ("next", error.hint)])


def about(report: Report) -> str:
    """What a failure was about, and what is left of it."""
    if report.published is not None:
        commit, url = report.published.commit[:7], report.published.url
        return f"{report.to}, which has the result in commit {commit}: {url}"
    if report.waits is not None:
        return f"{report.to}, whose result waits in {report.waits}"
    if report.status in ("merged", "unchanged"):
        return f"{report.to}, which is {_word(report)} and in its place"
    if report.status == "done" or not report.adapters:
        return f"{report.to}; nothing was changed"
    adapters = " and ".join(weighed(a.source, a.weight) for a in report.adapters)
    base = report.base.source if report.base is not None else "the base that it names"
    # A Hub whose answer got lost may have done what it was asked for.
    left = "; nothing was changed there" if report.is_untouched else ""
    return f"{adapters} onto {base}, to {report.to}{left}"


def _rows(report: Report) -> Iterator[Row]:
    yield _word(report), Text(printable(report.to or ""), style="bold")
    if report.reason:
        yield "why", printable(report.reason)
    yield from (("note", printable(note)) for note in report.notes)
    if report.base is not None and report.adapters:
        adapters = " and ".join(weighed(a.source, a.weight) for a in report.adapters)
        yield "from", f"{adapters} onto {report.base.source}"
    yield from _numbers(report)
    yield from delivered(report)
    if step := next_step(report):
        yield "next", step


def _word(report: Report) -> str:
    """The status; a bundle isn't merged."""
    return report.layout if report.status == "merged" else report.status


def _numbers(report: Report) -> Iterator[Row]:
    if report.counts:
        yield "tensors", tensors(report.counts, report.layout)
    if report.relative_changes:
        yield "moved", _moved(report)
    if outputs := proved(report.probe):
        yield "outputs", outputs
    for found in report.probe.retrieval if report.probe is not None else ():
        yield "retrieval", _found(found)
    if report.findings:
        by_outcome = Counter(f.outcome for f in report.findings)
        yield "findings", ", ".join(f"{by_outcome[o]} {o}" for o in WEIGHT if by_outcome[o])
    if report.files:
        size = sum(file.size for file in report.files.values())
        yield "files", f"{len(report.files)}, {nbytes(size)}"
    if report.seconds:
        yield "took", _took(report)


def _moved(report: Report) -> str:
    values = report.relative_changes
    most = max(values, key=lambda name: values[name])
    return f"{percent(median(values.values()))} in the median, {percent(values[most])} at most: `{most}`"


def _found(found: RetrievalRecord) -> str:
    alike = "" if found.agreement is None else f"; the best agree in {at_least(found.agreement)}"
    queries = counted(found.queries, "query", "queries") + ("" if found.given else " of ours")
    values = f"{found.base:.3f} of the base, {found.reference:.3f} with the adapter, {found.merged:.3f} merged"
    return f"nDCG@5 {values}{alike}; {queries} among {counted(found.documents, 'document')}"


def _took(report: Report) -> str:
    stages = [(n, s) for n, s in report.seconds.items() if n != "total" and round(s, 1) > 0]
    total = f"{report.seconds.get('total', 0):.1f} s"
    parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in stages)
    memory = f"; {nbytes(report.peak_rss_bytes)} of memory" if report.peak_rss_bytes else ""
    return f"{total} ({parts}){memory}" if parts else f"{total}{memory}"
