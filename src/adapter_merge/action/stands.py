"""Where a result stands when a step has ended: the commit of its target, and its receipt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adapter_merge.errors import AdapterMergeError
from adapter_merge.receipt import RECEIPT_NAME
from adapter_merge.report import Report
from adapter_merge.request import RepoRef


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A result: the repository or folder, its commit, and the receipt as it lies on this machine."""

    name: str
    commit: str = ""
    receipt: Path | None = None


def standing(report: Report, *, branch: str | None = None) -> Standing | None:
    """Where a report's result is; None where none is.

    The merge is done: a Hub that doesn't answer any more costs no more than the receipt's copy.
    """
    if report.to is None or (report.status == "failed" and report.published is None):
        return None
    ref = RepoRef.model_validate(report.to)
    folder = ref.folder.expanduser() if ref.folder is not None else _waits(report)
    if folder is not None:
        receipt = folder / RECEIPT_NAME
        return Standing(name=report.to, receipt=receipt if receipt.is_file() else None)
    try:
        return _on_a_hub(report, ref, branch)
    except AdapterMergeError:
        commit = report.published.commit if report.published is not None else ""
        return Standing(name=str(ref.repo), commit=commit)


def _waits(report: Report) -> Path | None:
    return Path(report.waits) if report.waits is not None and report.published is None else None


def _on_a_hub(report: Report, ref: RepoRef, branch: str | None) -> Standing:
    from adapter_merge import assemble

    hub = assemble.this_machine().around.connected()
    commit = report.published.commit if report.published is not None else None
    commit = commit or hub.target(ref, branch).head or ""
    if not commit:
        return Standing(name=str(ref.repo))
    repository = hub.open(RepoRef.model_validate(f"hf://{ref.repo}@{commit}"))
    if RECEIPT_NAME not in repository.files:
        return Standing(name=str(ref.repo), commit=commit)
    receipt = repository.pinned.file(RECEIPT_NAME)
    return Standing(name=str(ref.repo), commit=commit, receipt=receipt)
