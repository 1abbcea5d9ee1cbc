"""Seal: write card and receipt into the work folder, and put it in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from adapter_merge.errors import MergeError, TargetNotOurs
from adapter_merge.finding import Verdict
from adapter_merge.folder import all_files
from adapter_merge.plan import Plan
from adapter_merge.receipt import (
    RECEIPT_NAME,
    ChangeRecord,
    FindingRecord,
    Receipt,
)
from adapter_merge.report import Merged, source_record
from adapter_merge.sources import Sources, Target, TargetState
from adapter_merge.weights import write_error
from adapter_merge.work import WorkFolder, put_in_place

_README = "README.md"


def seal(
    plan: Plan,
    sources: Sources,
    merged: Merged,
    verdict: Verdict,
    *,
    work: WorkFolder,
    versions: Mapping[str, str],
) -> Receipt:
    """Write the receipt last, then rename; a folder without a receipt is not a result.

    The README.md of an earlier result stays: people write in it.

    Raises:
        TargetNotOurs: somebody else's files came into the target while the merge ran.
        MergeError: the folder can't be written or renamed.
    """
    receipt = _receipt(plan, sources, merged, verdict, versions)
    _keep_readme(sources.target, merged.folder)
    try:
        text = receipt.model_dump_json(indent=2) + "\n"
        (merged.folder / RECEIPT_NAME).write_text(text, encoding="utf-8")
    except OSError as e:
        raise write_error(e, name=RECEIPT_NAME) from e
    _leave_strangers_alone(sources.target)
    put_in_place(work)
    return receipt


def _keep_readme(target: Target, folder: Path) -> None:
    kept = target.root / _README
    if target.state is not TargetState.OURS or not kept.exists():
        return
    try:
        (folder / _README).write_bytes(kept.read_bytes())
    except OSError as e:
        raise MergeError(
            f"`{kept}` can't be taken over into the new result: {e.strerror}",
            hint="Check the file and its rights, or move it away; it is yours, so it is not dropped.",
        ) from e


def _leave_strangers_alone(target: Target) -> None:
    """A merge takes minutes: what `resolve` saw may not be all that stands there now."""
    if target.state is TargetState.FOREIGN:
        return  # to be replaced on request, whatever it holds
    known = {_README, *target.sizes} if target.state is TargetState.OURS else set()
    strange = sorted(all_files(target.root).keys() - known)
    if strange:
        raise TargetNotOurs(
            f"`{strange[0]}` came into the target `{target.source}` while the merge ran",
            hint="Name another folder with `--to`, or move the file away and run again.",
        )


def _receipt(
    plan: Plan, sources: Sources, merged: Merged, verdict: Verdict, versions: Mapping[str, str]
) -> Receipt:
    return Receipt(
        schema_version=1,
        recipe=plan.recipe,
        base=source_record(sources.base),
        adapters=tuple(source_record(a) for a in sources.adapters),
        settings=dict(plan.settings),
        counts=plan.counts,
        changes=tuple(ChangeRecord(**asdict(c)) for c in plan.changes),
        left_behind={f"{f.origin}: {f.path}": f.why for f in plan.left_behind},
        findings=tuple(FindingRecord.model_validate(_plain(asdict(f))) for f in verdict.findings),
        versions=dict(versions),
        files=dict(merged.files),
    )


def _plain(finding: dict[str, Any]) -> dict[str, Any]:
    return {**finding, "outcome": str(finding["outcome"]), "evidence": dict(finding["evidence"])}
