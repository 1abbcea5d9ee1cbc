"""From a merge's sources to what the child puts on the base: names only, no tensor is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adapter_merge.adapters import Claim
from adapter_merge.bases import Settled, claims_on
from adapter_merge.encoders.job import Graft, Rows, Target, Whole
from adapter_merge.errors import AdapterMergeError
from adapter_merge.sources import Adapter, Sources


def grafts_of(sources: Sources) -> tuple[Graft, ...] | str:
    """One for each adapter; or why the reference can't be built, as the end of "it needs ..."."""
    try:
        settled, _ = claims_on(sources.adapters, sources.base)
    except AdapterMergeError as e:
        return f"a reference, and none can be built: {e.message}"
    if len(sources.adapters) > 1 and not all(map(_is_plain, sources.adapters)):
        return "a reference of several adapters, which is built of plain LoRAs only"
    claims = [(a, [c for c in settled.claims if c.adapter is a]) for a in sources.adapters]
    return tuple(_graft(adapter, found, settled, sources) for adapter, found in claims)


def _is_plain(adapter: Adapter) -> bool:
    return adapter.config.peft_type == "LORA"


def _graft(adapter: Adapter, claims: Sequence[Claim], settled: Settled, sources: Sources) -> Graft:
    tensors = sources.base.checkpoint.tensors
    there = {n: tensors[n].shape for n in tensors} | {
        n: tensors[copied].shape for n, copied in settled.copies.items()
    }
    whole = [c for c in claims if c.contribution.shape is not None]
    lacking = {c.name for c in whole if there.get(c.name) != c.contribution.shape}
    extra = adapter.config.model_extra or {}
    return Graft(
        label=adapter.pinned.source,
        folder=str(adapter.pinned.root),
        converted=None if adapter.converted is None else str(adapter.converted),
        weight=adapter.weight,
        modules=dict(_modules(claims)),
        saved=tuple(_whole(c) for c in whole),
        added=tuple(sorted(lacking)),
        rows=tuple(_rows(c) for c in claims if c.contribution.token_rows),
        untied=bool(settled.untied),
        parameters=bool(extra.get("target_parameters")),
        fused=tuple(dict.fromkeys(f for c in claims if (f := c.contribution.fused) is not None)),
    )


def _modules(claims: Sequence[Claim]) -> Iterator[tuple[str, Target]]:
    """The modules that have tensors of the method, each with the first tensor of the file that it changes."""
    seen: set[str] = set()
    for claim in claims:
        if claim.contribution.shape is not None or claim.contribution.token_rows or claim.echo:
            continue
        for module, target in _of_both(claim, claims):
            if module not in seen:
                seen.add(module)
                yield module, target


def _of_both(claim: Claim, claims: Sequence[Claim]) -> Iterator[tuple[str, Target]]:
    """A claim's own module, and those of tied tensors that its adapter trained too."""
    need = claim.contribution.need
    yield need.module, Target(stored=claim.name, need=need.name)
    others = [c.name for c in claims if c.echo and c.contribution is claim.contribution]
    for spare, name in zip(claim.spare, others, strict=False):
        yield spare.need.module, Target(stored=name, need=spare.need.name)


def _whole(claim: Claim) -> Whole:
    contribution = claim.contribution
    (key, *_) = contribution.make(claim.info).uses
    target = Target(stored=claim.name, need=contribution.need.name)
    return Whole(key=key.name, target=target)


def _rows(claim: Claim) -> tuple[str, Rows]:
    (key,) = claim.contribution.make(claim.info).uses
    return key.name, Rows(stored=claim.name, places=claim.contribution.token_rows)
