"""The notes of a GitHub release: what was merged, what was seen, which files there are, how to load it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adapter_merge.card.markdown import code, fenced, plain, sentence
from adapter_merge.figures import counted, nbytes
from adapter_merge.finding import Finding, Outcome, by_weight
from adapter_merge.receipt import FileRecord, SourceRecord
from adapter_merge.report import Report

_ROWS = 60  # of one table; `SHA256SUMS` and the receipt have all of them


def title(report: Report) -> str:
    """The release's name."""
    adapters = " and ".join(plain(a.source, 80) for a in report.adapters[:2])
    return f"{plain(report.to or 'merged', 80)}: {adapters} merged"[:200]


def notes(report: Report, *, run: str = "") -> Iterator[str]:
    """The blocks, the important ones first; `run` is the address of the run that made it."""
    yield _table(("", "source", "commit"), _sources(report))
    published = report.published
    if published is not None:
        yield f"Published as {code(published.repo)} at {code(published.commit)}: {sentence(published.visibility)}."
        yield fenced(_snippet(published.repo, published.tag or published.commit), "bash")
        if published.since_tag:
            yield f"The weights have changed since {code(published.since_tag)}."
    yield from _findings(report.findings)
    yield _files(report)
    if report.recipe:
        made = f" Made by [this run]({run})." if run.startswith("https://") else ""
        yield f"Recipe {code(report.recipe)}; `merge_receipt.json` has all of it.{made}"


def _snippet(repo: str, revision: str) -> str:
    verify = f"adapter-merge verify {plain(repo)}@{plain(revision)}"
    return f"hf download {plain(repo)} --revision {plain(revision)}\n{verify}"


def _sources(report: Report) -> Iterator[tuple[str, ...]]:
    yield from (_source("adapter", a) for a in report.adapters)
    if report.base is not None:
        yield _source("base", report.base)


def _source(role: str, record: SourceRecord) -> tuple[str, ...]:
    return (role, code(record.source), code(record.commit) if record.commit else "a folder")


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    loud = by_weight(f for f in findings if f.outcome is not Outcome.PASS)
    rows = [(s.outcome, " ".join(s.codes), sentence(plain(s.message, 300))) for s in loud]
    if rows:
        yield f"### Checks\n\n{_table(('', 'code', 'what was seen'), iter(rows))}"
    passed = len({f.code for f in findings if f.outcome is Outcome.PASS})
    if passed:
        yield f"{counted(passed, 'check')} passed."


def _files(report: Report) -> str:
    size = nbytes(sum(f.size for f in report.files.values()))
    rows = (_file(path, file) for path, file in sorted(report.files.items()))
    table = _table(("file", "size", "sha256"), rows)
    heading = f"{counted(len(report.files), 'file')}, {size}"
    return f"<details><summary>{heading}</summary>\n\n{table}\n\n</details>"


def _file(path: str, file: FileRecord) -> tuple[str, ...]:
    return (code(path), nbytes(file.size), code(file.sha256))


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    more = f"\n\nand {len(lines) - _ROWS} more" if len(lines) > _ROWS else ""
    top = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*top, *lines[:_ROWS]]) + more
