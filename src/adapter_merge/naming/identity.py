"""The adapter's names are the checkpoint's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adapter_merge.checkpoint import Checkpoint
from adapter_merge.naming.rule import Attempt
from adapter_merge.plan import Need


class Identity:
    """Names as they are."""

    def attempts(self, needs: Sequence[Need], checkpoint: Checkpoint) -> Iterable[Attempt]:
        """The one spelling."""
        yield Attempt(how="the names are the same", spell=lambda name: name)
