"""Seal: write card and receipt into the work folder, and put it in its place."""

from __future__ import annotations

from collections.abc import Collection

from adapter_merge.errors import TargetNotOurs
from adapter_merge.folder import all_files
from adapter_merge.readme import README
from adapter_merge.receipt import RECEIPT_NAME, Receipt
from adapter_merge.sources import Target, TargetState
from adapter_merge.weights import write_error
from adapter_merge.work import WorkFolder, put_in_place


def seal(receipt: Receipt, card: str, target: Target, *, work: WorkFolder) -> None:
    """Write the card, the receipt last, then rename; a folder without a receipt is not a result.

    Raises:
        TargetNotOurs: somebody else's files came into the target while the merge ran.
        MergeError: the folder can't be written or renamed.
    """
    for name, text in ((README, card), (RECEIPT_NAME, receipt.model_dump_json(indent=2) + "\n")):
        try:
            (work.path / name).write_text(text, encoding="utf-8")
        except OSError as e:
            raise write_error(e, name=name) from e
    put_in_place(work, lambda: _replaced(target))


def _replaced(target: Target) -> Collection[str]:
    """The target's files. A merge takes minutes, so there may be more of them than `resolve` saw."""
    found = all_files(target.root).keys()
    if target.state is TargetState.FOREIGN:
        return found  # to be replaced on request, whatever it holds
    known = {README, *target.sizes} if target.state is TargetState.OURS else set()
    strange = sorted(found - known)
    if strange:
        raise TargetNotOurs(
            f"`{strange[0]}` came into the target `{target.source}` while the merge ran",
            hint="Name another folder with `--to`, or move the file away and run again.",
        )
    return found
