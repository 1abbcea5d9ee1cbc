"""What a step leaves: pages, the receipt, digests for an attestation, and outputs for the steps behind it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapter_merge.action.stands import Standing, standing
from adapter_merge.kept import keep
from adapter_merge.receipt import RECEIPT_NAME
from adapter_merge.report import Report

SUMS = "SHA256SUMS"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """One report and what was kept of it; `stands` is None where there is no result."""

    report: Report
    folder: Path
    stands: Standing | None
    receipt: Path | None = None
    sums: Path | None = None


def keep_all(
    reports: Sequence[Report], folder: Path, *, branch: str | None = None
) -> tuple[Kept, ...]:
    """Write all of it; of several reports each has a folder of its own.

    Raises:
        ReportNotWritten: the system refuses.
    """
    if len(reports) == 1:
        return (_kept(reports[0], folder, branch),)
    return tuple(_kept(r, folder / _named(r, n), None) for n, r in enumerate(reports))


def _named(report: Report, number: int) -> str:
    name = (report.to or "").strip("./~").replace("/", "--")
    return name or f"result-{number}"


def _kept(report: Report, folder: Path, branch: str | None) -> Kept:
    keep(report, folder)
    stands = standing(report, branch=branch)
    receipt = sums = None
    if stands is not None and stands.receipt is not None:
        receipt = folder / RECEIPT_NAME
        shutil.copyfile(stands.receipt, receipt)
    if report.files and stands is not None:
        sums = folder / SUMS
        sums.write_text(checksums(report), encoding="utf-8")
    return Kept(report=report, folder=folder, stands=stands, receipt=receipt, sums=sums)


def checksums(report: Report) -> str:
    """The result's files as `sha256sum` writes them.

    Source: `sha256sum`'s manual; a name with a backslash or a line break begins with a backslash there.
    """
    return "".join(_line(path, file.sha256) for path, file in sorted(report.files.items()))


def _line(path: str, sha256: str) -> str:
    written = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if written == path else chr(92)}{sha256}  {written}\n"


def outputs(status: str, kept: Sequence[Kept], folder: Path) -> Mapping[str, str]:
    """The step's outputs; of several merges one line for each that stands."""
    stand = [k for k in kept if k.stands is not None]
    sent = [k.report.published for k in stand]
    return {
        "status": status,
        "merged-repo": _lines(k.stands.name for k in stand if k.stands is not None),
        "merged-revision": _lines(k.stands.commit for k in stand if k.stands is not None),
        "url": _lines("" if p is None else p.url for p in sent),
        "pr-url": _lines("" if p is None or p.pull_request is None else p.url for p in sent),
        "report": str(folder),
        "receipt": _lines(str(k.receipt or "") for k in stand),
        "checksums": _lines(str(k.sums or "") for k in stand),
    }


def _lines(values: Iterator[str]) -> str:
    """A line each, also an empty one, so that the same line of each output is of the same merge; nothing where all are empty."""
    found = tuple(values)
    return "\n".join(found) if any(found) else ""
