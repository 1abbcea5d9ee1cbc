"""The pull request that proposes a result already: it is found before anything is merged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from adapter_merge.ports import Hub
from adapter_merge.receipt import Receipt
from adapter_merge.remote import RemoteTarget

_MOST = 20  # that are looked at


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposed:
    """A pull request of ours that nobody has merged, and the receipt at its head."""

    number: int
    is_open: bool
    commit: str
    receipt: Receipt

    @property
    def opened(self) -> str:
        """Why it isn't made again, in one sentence."""
        return f"pull request {self.number} proposes it"

    @property
    def closed(self) -> str:
        """Why it isn't proposed again; in one sentence."""
        return (
            f"pull request {self.number}, which proposed it, was closed; `--rebuild` makes another"
        )


def proposals(target: RemoteTarget, hub: Hub) -> Iterator[Proposed]:
    """Those that have a receipt, newest first, read as they are asked for."""
    if target.access is None:
        return
    for proposal in islice(hub.proposals(target.repo), _MOST):
        receipt = hub.receipt(target.repo, proposal.commit)
        if receipt is not None:
            yield Proposed(
                number=proposal.number,
                is_open=proposal.is_open,
                commit=proposal.commit,
                receipt=receipt,
            )
