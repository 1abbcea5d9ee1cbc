"""One reading of an adapter's names, and what it leads to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from adapter_merge.checkpoint import Piece, TensorInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What a need is about.

    Attributes:
        info: the tensor as the adapter knows it: one of the file, or one of the model that is made from
            tensors of the file (its byte range is empty then).
        tensors: the file's tensors that it is, or is made from.
        converter: the operations of transformers that make it; None where it lies in the file as it is.
        rows: those rows of the one tensor in the file that it is, where it is a block of rows.
        expert: the step of the file's dimension 0 whose rows they are; None where it has (rows, columns).
        pieces: what each of the file's tensors is of it, where they only lie side by side in it.
    """

    info: TensorInfo
    tensors: tuple[str, ...]
    converter: str | None = None
    rows: slice | None = None
    expert: int | None = None
    pieces: tuple[Piece, ...] = ()

    @property
    def can_be_edited(self) -> bool:
        """Whether a change of it is a change of tensors of the file, each by itself."""
        return self.converter is None or self.rows is not None or bool(self.pieces)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One reading of all names: `how` is a clause for people, `find` gives a name's target."""

    how: str
    find: Callable[[str], Target | None]
