"""Whether more people can read a result than what it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from adapter_merge.errors import AdapterMergeError, Gated, NotFound
from adapter_merge.reconcile.found import Found
from adapter_merge.reconcile.look import Standing
from adapter_merge.remote import Access


def exposed(adapters: Iterable[Found], standing: Standing) -> Iterator[str]:
    """A note on each adapter that is private, while its merge isn't."""
    for found in adapters:
        if found.access is Access.PRIVATE:
            yield from _note(f"`{found.ref.text}` is private", standing)


def lost(error: AdapterMergeError, standing: Standing) -> Iterator[str]:
    """The same of one that can't be seen any more; the error says which."""
    if isinstance(error, NotFound | Gated):
        yield from _note("the adapter may be private now", standing)


def _note(what: str, standing: Standing) -> Iterator[str]:
    remote = standing.remote
    if remote is None or remote.receipt is None or remote.access in {None, Access.PRIVATE}:
        return
    yield (
        f"{what}, and `{remote.repo}`, which has it merged, can be read by others: "
        "make it private or take it away, if they shouldn't"
    )
