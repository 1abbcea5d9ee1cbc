"""Contributions whose tensor is known, and the edits that they make together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from adapter_merge.adapters.contribution import Contribution
from adapter_merge.adapters.saved_modules import has_row_per_label
from adapter_merge.adapters.steps import TensorEdit
from adapter_merge.checkpoint import FLOATS, TensorInfo
from adapter_merge.errors import AdapterKind, QuantisedBase, ShapeMismatch, Unclaimed
from adapter_merge.plan import Edit
from adapter_merge.sources import Adapter, Base


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A contribution and its tensor; `info` is None where the base has none and one is added."""

    adapter: Adapter
    name: str
    info: TensorInfo | None
    contribution: Contribution

    @property
    def rows(self) -> int:
        """Length of dimension 0 of a tensor that is replaced or added."""
        return (self.contribution.shape or (0,))[0]


def edits_of(
    claims: Sequence[Claim], base: Base, *, dtype: Callable[[TensorInfo | None], str]
) -> Mapping[str, Edit]:
    """One edit a tensor: its replacement first, then deltas in the order of the adapters.

    `dtype` gives a tensor's dtype in the result.

    Raises:
        AdapterKind: a tied tensor is changed, or two adapters replace the same one.
        QuantisedBase: a tensor holds no floating-point numbers.
        ShapeMismatch: a saved tensor would cut the vocabulary.
        Unclaimed: a tensor has no place in the base, and isn't one that may be added.
    """
    groups: dict[str, list[Claim]] = {}
    for claim in claims:
        _check(claim, base)
        groups.setdefault(claim.name, []).append(claim)
    edits: dict[str, Edit] = {}
    for name, group in groups.items():
        saved = [c for c in group if c.contribution.shape is not None]
        _check_single(name, saved)
        deltas = [c for c in group if c.contribution.shape is None]
        edits[name] = TensorEdit(
            target=name,
            steps=tuple(c.contribution.make(c.info) for c in (*saved, *deltas)),
            wide="F64" in {dtype(group[0].info), group[0].info.dtype if group[0].info else None},
        )
    return edits


def refuse_tied(adapter: Adapter, names: Iterable[str], base: Base) -> None:
    """Refuse an adapter that changes one of the tensors which the base ties.

    `names` are the adapter's or the base's: a tied head that the file leaves out is found by no rule.

    Raises:
        AdapterKind: one of the names is tied.
    """
    for name in names:
        if name in base.tied:
            others = ", ".join(f"`{n}`" for n in base.tied if n != name)
            raise AdapterKind(
                f"`{adapter.pinned.source}` can't be merged: it changes `{name}`, which the base ties "
                f"to {others}",
                hint="Train without the embedding and the head, or on a base that doesn't tie them.",
            )


def _check(claim: Claim, base: Base) -> None:
    label = claim.adapter.pinned.source
    refuse_tied(claim.adapter, (claim.name,), base)
    if claim.info is None and not claim.contribution.saved:
        raise Unclaimed(
            f"nothing in the base takes `{claim.name}` of `{label}`",
            hint="Name the base that the adapter was trained on with `--base`.",
        )
    if claim.info is not None and claim.info.dtype not in FLOATS:
        raise QuantisedBase(
            f"the base holds `{claim.name}` as {claim.info.dtype}; a delta needs F16, BF16, F32 or F64",
            hint="Name the unquantised model with `--base`.",
        )
    _check_rows(claim)


def _check_rows(claim: Claim) -> None:
    """A vocabulary may grow, never shrink; a classification head may do both."""
    if claim.info is None or claim.contribution.shape is None or has_row_per_label(claim.name):
        return
    if claim.rows < (claim.info.shape or (0,))[0]:
        raise ShapeMismatch(
            f"`{claim.adapter.pinned.source}` saved `{claim.name}` as {list(claim.contribution.shape)}, "
            f"and the base has {list(claim.info.shape)}: a vocabulary is never cut",
            hint="Name the base that the adapter was trained on with `--base`.",
        )


def _check_single(name: str, saved: Sequence[Claim]) -> None:
    if len(saved) > 1:
        who = " and ".join(f"`{c.adapter.pinned.source}`" for c in saved)
        raise AdapterKind(
            f"{who} both saved `{name}` whole: which one counts can't be told",
            hint="Merge them one after the other, or leave one of them out.",
        )
