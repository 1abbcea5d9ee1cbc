"""What a search for a base starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
        cache: the folder of the Hub's cache on this machine; None where nothing says which.
    """

    request: Request
    adapters: tuple[Adapter, ...]
    verb: Verb
    cache: Path | None
