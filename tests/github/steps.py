"""A merge that is told to GitHub in every way, as a step does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from adapter_merge.finding import Finding, Outcome
from adapter_merge.github.checks import mark_of, set_check, set_status
from adapter_merge.github.comments import comment
from adapter_merge.github.dispatch import AdapterPushed, dispatch
from adapter_merge.github.edge import Edge, Patience, connect
from adapter_merge.github.releases import Wanted, release, wanted
from adapter_merge.receipt import FileRecord, SourceRecord
from adapter_merge.report import Report
from tests.github.stub import REPO, TOKEN

SHA = "a" * 40
RUN = "https://github.com/org/models/actions/runs/1"
RECIPE = "0123456789abcdef" * 4


@dataclass
class Patient:
    """Waits that nobody sits out."""

    waits: list[float]

    def patience(self, tries: int = 4) -> Patience:
        return Patience(tries=tries, sleep=self.waits.append, pace=0)


def edge_of(url: str, *, waits: list[float] | None = None, tries: int = 4) -> Edge:
    patience = Patient(waits if waits is not None else []).patience(tries)
    return connect(REPO, api=url, token=TOKEN, patience=patience)


def report(**values: object) -> Report:
    finding = Finding(
        code="L001", outcome=Outcome.WARN, subject="licence", message="it says `so`", evidence={}
    )
    source = SourceRecord(source="org/adapter", commit="b" * 40, digests={})
    return Report(
        **{
            "status": "merged",
            "adapters": (source,),
            "base": SourceRecord(source="org/base", commit="c" * 40, digests={}),
            "to": "org/merged",
            "recipe": RECIPE,
            "findings": (finding,),
            "files": {"model.safetensors": FileRecord(size=12, sha256="d" * 64)},
            **values,  # type: ignore[arg-type]
        }
    )


def assets(folder: Path, word: str = "one") -> tuple[Path, ...]:
    folder.mkdir(exist_ok=True)
    for name in ("SHA256SUMS", "merge_receipt.json", "report.json"):
        (folder / name).write_text(f"{name} {word}\n")
    return tuple(sorted(folder.iterdir()))


def wish(folder: Path, word: str = "one", *, draft: bool = False, **values: object) -> Wanted:
    show: Literal["draft", "publish"] = "draft" if draft else "publish"
    return wanted(report(**values), assets(folder, word), commit=SHA, show=show, run=RUN)


def steps(edge: Edge, folder: Path) -> dict[str, Callable[[], object]]:
    """Each thing that GitHub is told of."""
    mark = mark_of(report(), summary="## merged", url=RUN)
    return {
        "status": lambda: set_status(edge, SHA, mark),
        "check": lambda: set_check(edge, SHA, mark),
        "comment": lambda: comment(edge, 3, "plan", ("would merge `org/adapter`",)),
        "release": lambda: release(edge, wish(folder)),
        "event": lambda: dispatch(edge, AdapterPushed(adapter="org/adapter", revision="b" * 40)),
    }
