"""What a search for a base starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from adapter_merge.ports import Surroundings
from adapter_merge.request import Request
from adapter_merge.sources import Adapter

Verb = Literal["run", "plan", "check"]
AUTO = "auto"  # as a base: the one folder that is found


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """A request whose base is looked for.

    Attributes:
        request: as it was made.
        adapters: its adapters, opened.
        verb: the command that asks; hints repeat it.
        around: where a base is looked for, besides the folders that are named.
    """

    request: Request
    adapters: tuple[Adapter, ...]
    verb: Verb
    around: Surroundings
