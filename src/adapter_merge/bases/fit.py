"""How adapters and a base join: what each adapter does to which tensor, from headers alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from adapter_merge.adapters import (
    Claim,
    Contribution,
    Located,
    edits_of,
    in_piece,
    in_rows,
    is_table,
    kind_of,
    read_fused_experts,
)
from adapter_merge.bases.shared_weights import refuse_shared
from adapter_merge.bases.ties import Settled, settle
from adapter_merge.checkpoint import FLOATS, Checkpoint
from adapter_merge.errors import AdapterMergeError, QuantisedBase
from adapter_merge.folder import read_json
from adapter_merge.naming import Target, tied_tensors, with_tied
from adapter_merge.naming import resolve as resolve_names
from adapter_merge.plan import Need
from adapter_merge.ports import Repository
from adapter_merge.receipt import ExpertRecord
from adapter_merge.repository import checkpoint_of
from adapter_merge.sources import Adapter, Base


def claims_on(
    adapters: tuple[Adapter, ...], base: Base, *, headers_only: bool = False
) -> tuple[Settled, tuple[str, ...]]:
    """What every adapter does to which tensor, in the order of the adapters, and by which rules.

    With `headers_only` fused experts are located and not read: their edits are not to be applied.

    Raises:
        UnsupportedError: an adapter can't be merged.
        PlanError: an adapter doesn't fit the base.
    """
    claims: list[Claim] = []
    naming: list[str] = []
    experts: list[ExpertRecord] = []
    whole = with_tied(base.checkpoint, base.tied)
    for index, adapter in enumerate(adapters):
        contributions = kind_of(adapter).read(adapter, index, base)
        needs = [_needed(c.need, whole) for c in contributions]
        names = resolve_names(needs, whole, base.config, label=adapter.pinned.source)
        naming.append(names.how)
        if not headers_only:
            contributions, read = read_fused_experts(
                contributions, partial(_located, names.targets), adapter, base.config
            )
            experts += read
        for c in contributions:
            claims += _claims(adapter, c, names.targets.get(c.need.name), whole)
    settled = replace(settle(claims, base), experts=tuple(experts))
    refuse_shared(settled, base)
    return settled, tuple(naming)


def _located(targets: Mapping[str, Target], contribution: Contribution) -> Located | None:
    """The parameter that fused factors change."""
    target = targets.get(contribution.need.name)
    if target is None or contribution.fused is None:
        return None
    swapped = any(piece.turned for piece in target.pieces)
    return Located(fused=contribution.fused, shape=target.info.shape, swapped=swapped)


def _needed(need: Need, whole: Checkpoint) -> Need:
    """A saved embedding or head is nothing new where the base has one of its name, wherever that lies."""
    if need.required or not is_table(need.module):
        return need
    end = f".{need.module.rpartition('.')[2]}.{need.parameter}"
    return replace(need, required=any(f".{name}".endswith(end) for name in whole.tensors))


def _claims(
    adapter: Adapter, contribution: Contribution, target: Target | None, whole: Checkpoint
) -> Iterator[Claim]:
    """One for each tensor of the file; a contribution without a target adds one under the adapter's own name."""
    label = adapter.pinned.source

    def claim(name: str, made: Contribution) -> Claim:
        return Claim(adapter=adapter, name=name, info=whole.tensors[name], contribution=made)

    if target is None:
        yield Claim(
            adapter=adapter, name=contribution.need.name, info=None, contribution=contribution
        )
    elif target.pieces:
        for piece in target.pieces:
            yield claim(piece.tensor, in_piece(contribution, target.info, piece, label=label))
    elif target.rows is not None:
        (name,), rows, expert = target.tensors, target.rows, target.expert
        made = in_rows(contribution, target.info, rows, expert=expert, label=label)
        yield claim(name, made)
    else:
        (name,) = target.tensors
        yield claim(name, contribution)


def fits(repository: Repository, adapters: tuple[Adapter, ...]) -> bool:
    """Whether it opens as a base, isn't quantised, and takes every adapted module; by headers alone."""
    try:
        require_fit(repository, adapters)
    except AdapterMergeError:
        return False
    return True


def require_fit(repository: Repository, adapters: tuple[Adapter, ...]) -> Checkpoint:
    """Its weights, where it is such a base; the error says why it isn't.

    Raises:
        AdapterMergeError: it doesn't, or can't be read.
    """
    repository.have([p for p in ("config.json",) if p in repository.files])
    config = read_json(repository.pinned.root, "config.json")
    checkpoint = checkpoint_of(repository)
    base = Base(
        pinned=repository.pinned,
        config=config,
        checkpoint=checkpoint,
        files={},
        tied=tied_tensors(config, checkpoint, equal=lambda _a, _b: False),
        readme=None,
    )
    if why := why_quantised(base.config, base.checkpoint):
        raise QuantisedBase(
            f"`{repository.pinned.source}` is quantised ({why})", hint="Name another base."
        )
    settled, _ = claims_on(adapters, base, headers_only=True)
    edits_of(settled.claims, dtype=lambda _info: "F32")
    return checkpoint


def why_quantised(config: Mapping[str, Any], checkpoint: Checkpoint) -> str | None:
    """What says that a base's weights are quantised; None where nothing does."""
    for key in ("quantization_config", "quantization"):  # the second is MLX's
        if config.get(key):
            return f"`{key}` in `config.json`"
    # Masks and counters are integers in any model, and most of a tiny one.
    weights = [t for t in checkpoint.tensors.values() if "weight" in t.name.rsplit(".", 1)[-1]]
    packed = [t for t in weights if t.dtype not in FLOATS]
    if 10 * sum(t.size for t in packed) <= sum(t.size for t in weights):
        return None
    return f"`{packed[0].name}` and others hold {packed[0].dtype}"
