"""Seal: write card and receipt into the work folder, and put it in its place."""

from __future__ import annotations

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
    _leave_strangers_alone(target)
    put_in_place(work, all_files(target.root))


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
