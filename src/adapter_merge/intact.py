"""Whether a result that stands is what its receipt says: by its sizes, and on a Hub by its bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from adapter_merge.folder import sha256
from adapter_merge.ports import Hub
from adapter_merge.receipt import Receipt
from adapter_merge.remote import OF_THE_HUB, UNLISTED, RemoteTarget


def has_sizes(receipt: Receipt, found: Mapping[str, int]) -> bool:
    """Whether a receipt's files are there, with their sizes, and nothing else is."""
    sizes = {path: size for path, size in found.items() if path not in UNLISTED}
    return sizes == {path: record.size for path, record in receipt.files.items()}


def is_intact(target: RemoteTarget, hub: Hub) -> bool:
    """Whether a target holds the files of its receipt, each with its bytes, and no others.

    A Hub tells the sha256 of large files; small ones are pulled, once for each commit.
    """
    receipt = target.receipt
    if receipt is None or target.foreign:
        return False
    found = {path: file for path, file in target.files.items() if path not in OF_THE_HUB}
    if not has_sizes(receipt, {path: file.size for path, file in found.items()}):
        return False
    told = {path: file.sha256 for path, file in found.items() if file.sha256 is not None}
    if any(told.get(path, of.sha256) != of.sha256 for path, of in receipt.files.items()):
        return False
    return _are_recorded(receipt.files.keys() - told.keys(), target, receipt, hub)


def _are_recorded(paths: Iterable[str], target: RemoteTarget, receipt: Receipt, hub: Hub) -> bool:
    """Whether small files are what the receipt says: one word for another of its length counts."""
    wanted = sorted(paths)
    repository = hub.result(target.repo, str(target.head))
    repository.have(wanted)
    root = repository.pinned.root
    return all(sha256(root / path) == receipt.files[path].sha256 for path in wanted)
