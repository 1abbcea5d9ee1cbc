"""What a layout gives: the side files of the result, and what differs or stays behind."""

from __future__ import annotations

from dataclasses import dataclass

from adapter_merge.plan import Change, LeftBehind, SideFile


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """Everything in the result but the planned weights, their index, README.md and the receipt.

    Attributes:
        files: in the order of their paths, each path once.
        left_behind: every other file of base and adapters, with its reason.
        changes: what differs from the base on purpose.
    """

    files: tuple[SideFile, ...]
    left_behind: tuple[LeftBehind, ...]
    changes: tuple[Change, ...]
