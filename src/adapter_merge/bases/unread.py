"""Deltas that no forward pass reads: of the `out_proj` of torch's `MultiheadAttention` alone.

That attention takes the weight of its `out_proj` and never calls the module, so a layer that PEFT puts around
that module computes nothing, though PEFT's own merge adds its delta. Source: torch
`nn/modules/activation.py`, peft `BaseTunerLayer.weight`; the tests ask both.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapter_merge.adapters import Claim
from adapter_merge.bases.zero import is_zero
from adapter_merge.errors import AdapterKind
from adapter_merge.skeleton import Absent, skeleton_of
from adapter_merge.sources import Base

_OUT = ".out_proj"
# Of torch's attention: one tensor for all projections, or three where keys and values have other widths.
_IN = ("in_proj_weight", "q_proj_weight")


def refuse_unread(claims: Sequence[Claim], base: Base) -> None:
    """Refuse trained factors of such a module; those that `all-linear` put there and nothing trained are zero.

    Raises:
        AdapterKind: the merged model would compute what base and adapter don't.
    """
    trained = [(c, a) for c in claims if (a := _attention(c, base)) and not _is_nothing(c)]
    split = _split(base) if trained else frozenset()
    for claim, attention in trained:
        if attention in split:
            continue
        raise AdapterKind(
            f"`{claim.adapter.pinned.source}` can't be merged: it changes `{claim.name}`, which torch's "
            "`MultiheadAttention` reads past the layer that PEFT put there, so that base and adapter compute "
            "without that change",
            hint=f"Train the attention itself, by `{attention.rpartition('.')[2]}` in `target_modules`, or leave "
            "out its `out_proj`.",
        )


def _attention(claim: Claim, base: Base) -> str | None:
    """The module around the claimed `out_proj`, where the file has what torch's attention has."""
    need, (module, _, parameter) = claim.contribution.need, claim.name.rpartition(".")
    is_delta = claim.contribution.shape is None and not claim.contribution.token_rows
    # A layer around the whole attention claims both of its tensors under its own name.
    if not is_delta or need.parameter != parameter or not module.endswith(_OUT):
        return None
    attention = module.removesuffix(_OUT)
    beside = any(f"{attention}.{name}" in base.checkpoint.tensors for name in _IN)
    return attention if beside else None


def _split(base: Base) -> frozenset[str]:
    """Attentions of the file that aren't torch's in the class: transformers splits some into linear layers."""
    skeleton = skeleton_of(base.config, base.checkpoint.tensors)
    if isinstance(skeleton, Absent):
        return frozenset()
    held = [n for n in base.checkpoint.tensors if n.endswith(tuple(f".{name}" for name in _IN))]
    return frozenset(n.rpartition(".")[0] for n in held if skeleton.place(n).converter is not None)


def _is_nothing(claim: Claim) -> bool:
    """Whether a plain LoRA's delta is zero: its `lora_B` begins so, and what no forward pass reads isn't trained."""
    if claim.adapter.config.peft_type != "LORA":
        return False
    return any(is_zero(claim.adapter, used.name) for used in claim.step.uses)
