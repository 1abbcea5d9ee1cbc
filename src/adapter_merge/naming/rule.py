"""What a naming rule is: a way to spell an adapter's names as the checkpoint does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from adapter_merge.checkpoint import Checkpoint
from adapter_merge.plan import Need


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One spelling of all names: `spell` maps an adapter's name to a name of the checkpoint."""

    how: str
    spell: Callable[[str], str]


class Rule(Protocol):
    """A rule proposes attempts; an attempt counts only when it covers every required need."""

    def attempts(self, needs: Sequence[Need], checkpoint: Checkpoint) -> Iterable[Attempt]:
        """All spellings that the rule knows for these names."""
        ...
