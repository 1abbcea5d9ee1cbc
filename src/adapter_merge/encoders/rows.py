"""A model's outputs in one shape, whatever the model: vectors of valid tokens, input after input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Outputs of one kind.

    Attributes:
        values: (sum of counts, width).
        counts: vectors of each input.
        masked: the largest absolute number in rows that padding masks out; NaN where nothing is masked
            by the model itself.
    """

    values: Floats
    counts: npt.NDArray[np.int64]
    masked: float = float("nan")

    @classmethod
    def of(cls, values: Floats, mask: npt.NDArray[np.bool_], *, zeroed: bool = False) -> Rows:
        """From (inputs, tokens, width) and (inputs, tokens); `zeroed`: the model zeroes what is masked."""
        outside = np.abs(values[~mask])
        # NaN is taken by what nobody masks.
        worst = np.where(np.isnan(outside), np.inf, outside)
        masked = float(worst.max()) if zeroed and outside.size else float("nan")
        return cls(values=values[mask], counts=mask.sum(axis=1), masked=masked)

    @classmethod
    def single(cls, values: Floats) -> Rows:
        """One vector for each input: (inputs, width)."""
        return cls(values=values, counts=np.ones(len(values), dtype=np.int64))

    def each(self) -> list[Floats]:
        """The vectors of each input."""
        return np.split(self.values, np.cumsum(self.counts)[:-1])


Outputs: TypeAlias = Mapping[str, Rows]


def pack(state: str, outputs: Outputs) -> dict[str, npt.NDArray[np.generic]]:
    """Arrays by name, for an npz file."""
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for group, rows in outputs.items():
        arrays[f"{state}|{group}|values"] = rows.values
        arrays[f"{state}|{group}|counts"] = rows.counts
        arrays[f"{state}|{group}|masked"] = np.float32(rows.masked).reshape(1)
    return arrays


def unpack(arrays: Mapping[str, npt.NDArray[np.generic]], state: str) -> dict[str, Rows]:
    """The outputs of one state; an array that isn't what its name says is a `ValueError`."""
    found = {}
    for name in arrays:
        if not name.startswith(f"{state}|") or not name.endswith("|values"):
            continue
        values, counts, masked = (
            arrays[f"{name.removesuffix('values')}{part}"]
            for part in ("values", "counts", "masked")
        )
        if values.ndim != 2 or values.dtype != np.float32 or counts.sum() != len(values):
            message = f"`{name}` isn't an array of rows"
            raise ValueError(message)
        rows = Rows(
            values=values.astype(np.float32),
            counts=counts.astype(np.int64),
            masked=float(masked[0]),
        )
        found[name.split("|")[1]] = rows
    return found
