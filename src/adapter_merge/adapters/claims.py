"""Contributions whose tensor is known, and the edits that they make together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from adapter_merge.adapters.contribution import Contribution, Step
from adapter_merge.adapters.saved_modules import has_row_per_label
from adapter_merge.adapters.steps import TensorEdit
from adapter_merge.adapters.twins import Agreed, Echo
from adapter_merge.checkpoint import FLOATS, TensorInfo
from adapter_merge.errors import AdapterKind, QuantisedBase, ShapeMismatch, Unclaimed
from adapter_merge.plan import Edit
from adapter_merge.sources import Adapter


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A contribution and its tensor; `info` is None where the base has none and one is added.

    Attributes:
        spare: what the adapter holds for tensors that are tied to this one, and has to come to the same.
        echo: whether the contribution is made to a tied tensor too, and counts there as used.
    """

    adapter: Adapter
    name: str
    info: TensorInfo | None
    contribution: Contribution
    spare: tuple[Contribution, ...] = ()
    echo: bool = False

    @property
    def rows(self) -> int:
        """Length of dimension 0 of a tensor that is replaced or added."""
        return (self.contribution.shape or (0,))[0]

    @property
    def step(self) -> Step:
        """What is done to the tensor."""
        step = self.contribution.make(self.info)
        for other in self.spare:
            label = self.adapter.pinned.source
            step = Agreed(step=step, other=other.make(self.info), label=label)
        return Echo(step=step) if self.echo else step


def edits_of(
    claims: Sequence[Claim], *, dtype: Callable[[TensorInfo | None], str]
) -> Mapping[str, Edit]:
    """One edit a tensor: its replacement first, then deltas in the order of the adapters.

    `dtype` gives a tensor's dtype in the result.

    Raises:
        AdapterKind: two adapters replace the same tensor, or the same row of one.
        QuantisedBase: a tensor holds no floating-point numbers.
        ShapeMismatch: a saved tensor would cut the vocabulary.
        Unclaimed: a tensor has no place in the base, and isn't one that may be added.
    """
    groups: dict[str, list[Claim]] = {}
    for claim in claims:
        if claim.info is None and claim.contribution.optional:
            continue
        _check(claim)
        groups.setdefault(claim.name, []).append(claim)
    edits: dict[str, Edit] = {}
    for name, group in groups.items():
        saved = [c for c in group if c.contribution.shape is not None]
        _check_single(name, saved)
        _check_tokens(name, group)
        deltas = [c for c in group if c.contribution.shape is None]
        edits[name] = TensorEdit(
            target=name,
            steps=tuple(c.step for c in (*saved, *deltas)),
            wide="F64" in {dtype(group[0].info), group[0].info.dtype if group[0].info else None},
        )
    return edits


def _check(claim: Claim) -> None:
    label = claim.adapter.pinned.source
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
            hint=f"Name the base whose vocabulary has {claim.rows} rows with `--base`.",
        )


def _check_single(name: str, saved: Sequence[Claim]) -> None:
    if len(saved) > 1:
        who = " and ".join(f"`{c.adapter.pinned.source}`" for c in saved)
        raise AdapterKind(
            f"{who} both saved `{name}` whole: which one counts can't be told",
            hint="Merge them one after the other, or leave one of them out.",
        )


def _check_tokens(name: str, group: Sequence[Claim]) -> None:
    """Single tokens have rows, each learned by one adapter."""
    rows = max(
        [c.rows for c in group if c.rows]
        or [(c.info.shape or (0,))[0] for c in group if c.info]
        or [0]
    )
    seen: dict[int, Claim] = {}
    for claim in group:
        label = claim.adapter.pinned.source
        for place in claim.contribution.token_rows:
            if place >= rows:
                raise ShapeMismatch(
                    f"`{label}` trains the token {place}, and `{name}` has {rows} rows: the embedding was made "
                    "larger before, and what it got then wasn't saved",
                    hint="Save the adapter again with `save_embedding_layers=True`.",
                )
            if place in seen:
                raise AdapterKind(
                    f"`{seen[place].adapter.pinned.source}` and `{label}` both trained the token {place} of "
                    f"`{name}`: which one counts can't be told",
                    hint="Merge them one after the other, or leave one of them out.",
                )
            seen[place] = claim
