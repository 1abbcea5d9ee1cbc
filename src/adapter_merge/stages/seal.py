"""Seal: write card and receipt into the work folder, and put it in its place."""

from __future__ import annotations

from pathlib import Path

from adapter_merge.errors import MergeError, TargetNotOurs
from adapter_merge.folder import all_files
from adapter_merge.readme import README
from adapter_merge.receipt import RECEIPT_NAME, Receipt
from adapter_merge.sources import Target, TargetState
from adapter_merge.weights import write_error
from adapter_merge.work import WorkFolder, put_in_place


def seal(receipt: Receipt, target: Target, *, work: WorkFolder) -> None:
    """Write the receipt last, then rename; a folder without a receipt is not a result.

    The README.md of an earlier result stays: people write in it.

    Raises:
        TargetNotOurs: somebody else's files came into the target while the merge ran.
        MergeError: the folder can't be written or renamed.
    """
    _keep_readme(target, work.path)
    try:
        text = receipt.model_dump_json(indent=2) + "\n"
        (work.path / RECEIPT_NAME).write_text(text, encoding="utf-8")
    except OSError as e:
        raise write_error(e, name=RECEIPT_NAME) from e
    _leave_strangers_alone(target)
    put_in_place(work)


def _keep_readme(target: Target, folder: Path) -> None:
    kept = target.root / README
    if target.state is not TargetState.OURS or not kept.exists():
        return
    try:
        (folder / README).write_bytes(kept.read_bytes())
    except OSError as e:
        raise MergeError(
            f"`{kept}` can't be taken over into the new result: {e.strerror}",
            hint="Check the file and its rights, or move it away; it is yours, so it is not dropped.",
        ) from e


def _leave_strangers_alone(target: Target) -> None:
    """A merge takes minutes: what `resolve` saw may not be all that stands there now."""
    if target.state is TargetState.FOREIGN:
        return  # to be replaced on request, whatever it holds
    known = {README, *target.sizes} if target.state is TargetState.OURS else set()
    strange = sorted(all_files(target.root).keys() - known)
    if strange:
        raise TargetNotOurs(
            f"`{strange[0]}` came into the target `{target.source}` while the merge ran",
            hint="Name another folder with `--to`, or move the file away and run again.",
        )
