"""Adapters that change tied tensors: what base and adapter compute decides whether they stay one.

PEFT puts a layer around each module by itself, so a change of the embedding doesn't reach the head that
shares its weight, unless the adapter ties them again (`ensure_weight_tying`, single tokens) or changed the
shared weight itself (an embedding that was saved because it grew). Source: peft `tuners/lora/model.py`,
`tuners/trainable_tokens`, `utils/other.py`; the tests compare with its forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from adapter_merge.adapters import Claim, is_wrapped
from adapter_merge.checkpoint import TensorInfo
from adapter_merge.errors import AdapterKind
from adapter_merge.layouts import untied
from adapter_merge.naming import SCALED, Inseparable, apart, ties_itself
from adapter_merge.receipt import ExpertRecord
from adapter_merge.sources import Adapter, Base

_HEAD = "lm_head.weight"
_Kind: TypeAlias = Literal["saved", "rows", "delta"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """Claims on tensors that the result has.

    Attributes:
        claims: as given, but for those on tied tensors.
        untied: names of the tied tensors once they are apart; empty where the tie holds.
        copies: the tensors that the base's file lacks for that -> the stored one that each is a copy of.
        experts: how the factors of fused experts were read.
    """

    claims: tuple[Claim, ...]
    untied: tuple[str, ...] = ()
    copies: Mapping[str, str] = field(default_factory=dict)
    experts: tuple[ExpertRecord, ...] = ()


def settle(claims: Sequence[Claim], base: Base) -> Settled:
    """Decide what becomes of the base's tie, and give every claim its tensor.

    Raises:
        AdapterKind: the tensors would have to be apart and can't be, or nobody can tell what is meant.
    """
    for claim in claims:
        _refuse_lost_bias(claim, base)
        _refuse_half_tied(claim, base)
    touching = [c for c in claims if c.name in base.tied]
    if not touching:
        return Settled(claims=tuple(claims))
    by_adapter = [[c for c in touching if c.adapter is a] for a in _adapters(touching)]
    shared = [_shared(group, base) for group in by_adapter]
    own = [c for g, s in zip(by_adapter, shared, strict=True) for c in g if c not in s]
    copies = _copies(own, base) if own else {}
    names = [n for n in base.tied if n in base.checkpoint.tensors or n in copies]
    settled = [c for c in claims if c.name not in base.tied]
    for group, common in zip(by_adapter, shared, strict=True):
        settled += _placed(group, common, _infos(names, copies, base))
    return Settled(claims=tuple(settled), untied=tuple(names) if own else (), copies=copies)


def _adapters(claims: Sequence[Claim]) -> list[Adapter]:
    found: list[Adapter] = []
    for claim in claims:
        if not any(claim.adapter is a for a in found):
            found.append(claim.adapter)
    return found


def _kind(claim: Claim) -> _Kind:
    if claim.contribution.shape is not None:
        return "saved"
    return "rows" if claim.contribution.token_rows else "delta"


def _shared(group: Sequence[Claim], base: Base) -> list[Claim]:
    """Those claims of one adapter that reach every tied tensor."""
    return [c for c in group if _is_shared(c, [o for o in group if _kind(o) == _kind(c)], base)]


def _is_shared(claim: Claim, alike: Sequence[Claim], base: Base) -> bool:
    """`alike` are the adapter's claims of the same kind on tied tensors."""
    extra = claim.adapter.config.model_extra or {}
    again = extra.get("ensure_weight_tying") is True and len(alike) > 1
    if _kind(claim) == "saved":
        return again or not is_wrapped(claim.contribution.need.module, claim.adapter.config)
    if _kind(claim) == "delta":
        # DoRA scales tokens in the head and features in the embedding: the same factors, two tensors.
        return again and not extra.get("use_dora")
    return _rows_are_shared(claim, alike, base)


def _rows_are_shared(claim: Claim, alike: Sequence[Claim], base: Base) -> bool:
    """PEFT ties single tokens of the embedding to the head's, unless they are asked for apart."""
    if all(c.name != base.tied[0] for c in alike):
        return False
    if len({c.contribution.token_rows for c in alike}) > 1:
        return False
    head = any(n in base.checkpoint.tensors for n in base.tied[1:])
    if head and len(alike) == 1 and not isinstance(base.config.get("tie_word_embeddings"), bool):
        raise _refused(
            claim, base, "and neither its file nor the config says whether the head learns them too"
        )
    return ties_itself(base.config, base.checkpoint, base.tied)


def _refuse_lost_bias(claim: Claim, base: Base) -> None:
    """PEFT's layer for single tokens multiplies by the head's weight, and adds no bias."""
    if not claim.contribution.token_rows:
        return
    reached = {claim.name, *(base.tied[1:] if claim.name in base.tied else ())}
    for name in reached:
        module = name.removesuffix(".weight")
        biases = {f"{module}.bias", f"{module.removesuffix('.decoder')}.bias"}
        if lost := biases & base.checkpoint.tensors.keys():
            raise AdapterKind(
                f"`{claim.adapter.pinned.source}` can't be merged: it trains single tokens of a head, where "
                f"PEFT leaves out the bias, and the base has one, `{min(lost)}`",
                hint="Train the embedding with LoRA, or save it whole with `modules_to_save`.",
            )


def _refuse_half_tied(claim: Claim, base: Base) -> None:
    """Models of which PEFT ties other rows than the file says.

    T5's later models have a head of their own, and a flag that transformers 5 turns on again.
    """
    if claim.name not in base.tied or not claim.contribution.token_rows:
        return
    if base.config.get("model_type") == "marian" and claim.name != base.tied[-1]:
        raise _refused(
            claim, base, "and PEFT takes its encoder's embedding for the one that it ties"
        )
    heads = {_HEAD} & base.checkpoint.tensors.keys() - set(base.tied)
    if heads and base.config.get("model_type") in SCALED:
        raise AdapterKind(
            f"`{claim.adapter.pinned.source}` can't be merged: it trains single tokens of `{claim.name}`, and whether "
            f"PEFT then puts them into `{_HEAD}` too depends on the transformers that it was trained with",
            hint="Train the single tokens of `lm_head` alone, or leave the vocabulary out.",
        )


def _copies(own: Sequence[Claim], base: Base) -> Mapping[str, str]:
    if len(base.tied) > 2 and any(c.name != base.tied[-1] for c in own):
        raise _refused(own[0], base, "and which of them a forward pass reads depends on the class")
    found = apart(base.config, base.checkpoint, base.tied, untied=untied(base.config))
    if isinstance(found, Inseparable):
        architectures = base.config.get("architectures") or ["the model's class"]
        raise _refused(own[0], base, f"and `{architectures[0]}` {found.why}")
    return found


def _infos(names: Sequence[str], copies: Mapping[str, str], base: Base) -> Mapping[str, TensorInfo]:
    tensors = base.checkpoint.tensors
    return {n: tensors.get(n) or tensors[copies[n]] for n in names}


def _placed(
    group: Sequence[Claim], common: Sequence[Claim], infos: Mapping[str, TensorInfo]
) -> Iterator[Claim]:
    """The claims of one adapter, each on a tensor of the result, `common` ones on all of them."""
    for kind in ("saved", "delta", "rows"):
        alike = [c for c in group if _kind(c) == kind]
        own = {c.name: c for c in alike if c not in common}
        both = [c for c in alike if c in common]
        # A module that was saved whole no longer reads the shared weight.
        free = [n for n in infos if kind != "saved" or n not in own]
        for first in both[:1]:
            home = first.name if first.name in free else free[0]
            spare = tuple(c.contribution for c in both[1:])
            for n in free:
                yield replace(first, name=n, info=infos[n], spare=spare, echo=n != home)
        yield from (replace(c, info=infos[n]) for n, c in own.items())


def _refused(claim: Claim, base: Base, why: str) -> AdapterKind:
    others = ", ".join(f"`{n}`" for n in base.tied if n != claim.name)
    return AdapterKind(
        f"`{claim.adapter.pinned.source}` can't be merged: it changes `{claim.name}`, which the base ties "
        f"to {others}, {why}",
        hint="Train without the embedding and the head, or on a base that doesn't tie them.",
    )
