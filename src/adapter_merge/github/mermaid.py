"""A merge as a mermaid diagram: what came from where, at which commit, and where it went."""

from __future__ import annotations

from collections.abc import Iterator

from adapter_merge.figures import middle, nbytes, printable
from adapter_merge.plan import Plan
from adapter_merge.receipt import SourceRecord
from adapter_merge.report import Report

_NAME = 48  # characters of a name in a box
_ADAPTERS = 8
# Whatever else a stranger's name holds is written as mermaid's own entity: neither a quote nor a tag is left.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ./_-+,:@")


def flow(report: Report) -> str:
    """The diagram of a report; empty where nothing was read."""
    if report.base is None or not report.adapters:
        return ""
    return _diagram(_flow(report))


def plan_flow(plan: Plan) -> str:
    """The diagram of a plan."""
    boxes = [_box(f"a{n}", "adapter", a.source) for n, a in enumerate(plan.adapters[:_ADAPTERS])]
    arrows = [f"a{n} --> merge" for n in range(len(boxes))]
    size = nbytes(plan.size)
    named = [_box("base", "base", plan.base), _box("to", "target", plan.to)]
    return _diagram(iter([*boxes, *named, f'merge(["would merge, {size}"])', *arrows, *_ENDS]))


_ENDS = ("base --> merge", "merge --> to")


def _flow(report: Report) -> Iterator[str]:
    assert report.base is not None  # noqa: S101 - `flow` has looked
    for number, adapter in enumerate(report.adapters[:_ADAPTERS]):
        yield _source(f"a{number}", "adapter", adapter)
        yield f"a{number} --> merge"
    yield _source("base", "base", report.base)
    yield f'merge(["{escaped(_middle(report))}"])'
    commit = report.published.commit if report.published is not None else ""
    size = sum(file.size for file in report.files.values())
    yield _box("to", "target", report.to or "", commit[:7], nbytes(size) if size else "")
    yield "base --> merge"
    failed = report.error is not None and report.status == "failed"
    yield "merge -. failed .-> to" if failed else "merge --> to"


def _middle(report: Report) -> str:
    edited, total = report.counts.get("tensors_edited"), report.counts.get("tensors_total")
    counts = f", {edited:,} of {total:,} tensors" if edited is not None and total else ""
    seconds = report.seconds.get("total")
    return f"{report.status}{counts}" + (f", {seconds:.0f} s" if seconds else "")


def _source(key: str, role: str, record: SourceRecord) -> str:
    weight = f"weight {record.weight:g}" if record.weight not in {None, 1} else ""
    return _box(key, role, record.source, (record.commit or "")[:7], weight)


def _box(key: str, role: str, name: str, *more: str) -> str:
    lines = (role, middle(name, _NAME), ", ".join(m for m in more if m))
    return f'{key}["{"<br/>".join(escaped(line) for line in lines if line)}"]'


def escaped(text: str) -> str:
    """Text in a label. Source: mermaid's docs, "Entity codes to escape characters"."""
    return "".join(c if c in _PLAIN else f"#{ord(c)};" for c in printable(text))


def _diagram(lines: Iterator[str]) -> str:
    return "\n".join(["flowchart LR", *(f"  {line}" for line in lines)])
