"""Draft the plan: every tensor, file and byte of the result, from headers and small files alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from adapter_merge.adapters import (
    Claim,
    architecture,
    edits_of,
    kind_of,
    labels,
    require_libraries,
)
from adapter_merge.bases import (
    Settled,
    claims_on,
    grown_vocabulary,
    live_modules,
    other_base,
    part_of_layers,
    place_added,
    refuse_unread,
    untrained,
)
from adapter_merge.checkpoint import FLOATS, TensorInfo
from adapter_merge.errors import (
    AdapterKind,
    ShapeMismatch,
    UnsupportedError,
)
from adapter_merge.folder import ADAPTER_PICKLE, INDEX
from adapter_merge.layouts import (
    LAYOUTS,
    ConfigEdits,
    Form,
    Weights,
    Wishes,
    as_native,
    carried,
    cut_files,
    edited_config,
    indexed,
    keep_files,
    native_form,
    refuse_code_of_adapters,
    renamed,
    require_leave,
)
from adapter_merge.plan import (
    AdapterTensor,
    BaseTensor,
    Change,
    Edit,
    Plan,
    PlannedTensor,
    PlanWarning,
    SideFile,
    WeighedAdapter,
)
from adapter_merge.record import method_record
from adapter_merge.request import Dtype, Settings
from adapter_merge.sources import Adapter, Base, Sources, digests

_DTYPES = {"fp32": "F32", "bf16": "BF16", "fp16": "F16"}


def draft(settings: Settings, sources: Sources) -> Plan:
    """Turn sources into a plan.

    Raises:
        RequestError: a file that a setting names can't be used.
        MergeError: a library that an adapter needs isn't there.
        UnsupportedError: an input, or an option of the adapter, can't be merged.
        PlanError: adapter and base don't fit together.
    """
    base = sources.base
    require_leave(base, settings.base, allowed=settings.allow_remote_code)
    layout = LAYOUTS[settings.layout]
    form = native_form(base) if settings.native else None
    joined = _merging(settings, sources, form) if layout.merges else _beside(sources)
    settled = joined.settled
    tensors = _tensors(base, joined.edits, settled, settings.dtype)
    if form is not None:
        tensors = form.renamed(tensors)
    weights = _weights(tensors, base, settings)
    own = {f.name for f in base.checkpoint.files} | {INDEX}
    wishes = Wishes.of(settings)
    side = layout.side(sources, joined.config, frozenset(own), wishes)
    refuse_code_of_adapters(side.files, sources)
    if form is not None:
        side = as_native(side, form, form.dimension(tensors))
    if joined.live:
        side = renamed(side, sources.adapters[0], joined.live)
    kept = {
        "layout": settings.layout,
        "dtype": settings.dtype,
        "max_shard_size": str(settings.shard_bytes or "keep"),
        **({"native": "true"} if settings.native else {}),
        **_leave(sources),
        **_expert_settings(settings, settled),
        **wishes.recipe,
        **layout.settings(sources, wishes),
    }
    return Plan(
        adapters=tuple(
            WeighedAdapter(source=a.pinned.source, weight=a.weight, method=method_record(a.config))
            for a in sources.adapters
        ),
        base=base.pinned.source,
        to=sources.target.source,
        layout=settings.layout,
        dtype=settings.dtype,
        shards=weights.shards,
        side_files=(*_index(weights, base), *side.files),
        left_behind=side.left_behind,
        changes=(*side.changes, *_conversions(sources), *carried(base)),
        adapter_tensors=_adapter_tensors(sources),
        recipe=_recipe(kept, sources),
        settings=kept,
        naming=joined.naming,
        tied=() if settled.untied or form is not None else base.tied,
        untied=settled.untied,
        experts=settled.experts,
        warnings=joined.warnings,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Joined:
    """What adapters and base come to together: edits of tensors, or of the config and the adapter's names."""

    edits: Mapping[str, Edit]
    settled: Settled
    config: ConfigEdits
    naming: tuple[str, ...]
    live: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[PlanWarning, ...] = ()


def _merging(settings: Settings, sources: Sources, form: Form | None) -> _Joined:
    base = sources.base
    require_libraries(sources.adapters)
    settled, naming = claims_on(sources.adapters, base)
    refuse_unread(settled.claims, base)
    config = _config_edits(settled, base, settings.dtype)
    settled = place_added(settled, base, edited_config(base.config, config))
    edits = edits_of(settled.claims, dtype=lambda info: _out_dtype(info, base, settings.dtype))
    if form is not None:
        settled = replace(settled, untied=())  # the class has no head, so nothing is apart
        config = _config_edits(settled, base, settings.dtype)
    return _Joined(
        edits=edits,
        settled=settled,
        config=config,
        naming=naming,
        warnings=_warnings(sources, settled.claims),
    )


def _warnings(sources: Sources, claims: Sequence[Claim]) -> tuple[PlanWarning, ...]:
    adapters, base = sources.adapters, sources.base
    named = other_base(adapters, base)
    return (*named, *untrained(adapters), *part_of_layers(claims, base))


def _beside(sources: Sources) -> _Joined:
    """The adapter has to fit the base, though nothing is merged; a head of its own is told by the config."""
    base, (adapter,) = sources.base, sources.adapters
    _read(adapter, base)
    nothing = Settled(claims=())
    try:
        settled, naming = claims_on(sources.adapters, base)
    except UnsupportedError:
        # Ties and converters stand against a merge alone; check F009 says whether loaders take the adapter.
        warnings = _warnings(sources, ())
        return _Joined(
            edits={}, settled=nothing, config=ConfigEdits(), naming=(), warnings=warnings
        )
    if other := next((r for r in settled.experts if not r.read_by_peft), None):
        raise AdapterKind(
            f"`{adapter.pinned.source}` can't be bundled: `{other.parameter}` is {other.layout}, {other.orientation}, and "
            "PEFT reads the file in another way",
            hint="Merge it with `--layout merged`.",
        )
    rows = grown_vocabulary(settled, base)
    if rows is not None:
        raise ShapeMismatch(
            f"`{adapter.pinned.source}` grows the vocabulary to {rows} rows, which the base of a bundle hasn't: "
            "loaders would stop there",
            hint="Merge it with `--layout merged`.",
        )
    claims = settled.claims
    config = ConfigEdits(
        architecture=architecture(claims, base.config), labels=labels(claims, base.config)
    )
    result = edited_config(base.config, config)
    place_added(settled, base, result)
    live = live_modules(adapter, claims, base, result)
    return _Joined(
        edits={},
        settled=nothing,
        config=config,
        naming=naming,
        live=live,
        warnings=_warnings(sources, claims),
    )


def _read(adapter: Adapter, base: Base) -> None:
    """Refuse what has no merged form: plain loaders don't treat it right either."""
    try:
        kind_of(adapter).read(adapter, 0, base)
    except AdapterKind as e:
        raise AdapterKind(
            f"{e.message}; a bundle is only made of what could be merged too", hint=e.hint
        ) from e


def _leave(sources: Sources) -> Mapping[str, str]:
    """What the request had to allow, and was made use of."""
    pickled = any(a.converted is not None for a in sources.adapters)
    used = {"allow_pickle": pickled, "allow_remote_code": bool(sources.base.code)}
    return {option: "true" for option, was_used in used.items() if was_used}


def _expert_settings(settings: Settings, settled: Settled) -> Mapping[str, str]:
    """What the user said of fused experts, where the adapters have any."""
    stated = {
        "expert_layout": settings.expert_layout,
        "expert_orientation": settings.expert_orientation,
    }
    return {k: v for k, v in stated.items() if settled.experts and v != "auto"}


def _conversions(sources: Sources) -> Iterator[Change]:
    for adapter in sources.adapters:
        if adapter.converted is not None:
            yield Change(
                subject=f"weights of `{adapter.pinned.source}`",
                before="a pickle",
                after="safetensors",
                why=f"`{ADAPTER_PICKLE}` was converted from a pickle, of which tensors alone were read",
            )


def _out_dtype(info: TensorInfo | None, base: Base, dtype: str) -> str:
    before = info.dtype if info is not None else _main_dtype(base)
    return _DTYPES.get(dtype, before) if before in FLOATS else before


def _main_dtype(base: Base) -> str:
    """The floating-point dtype that most bytes of the base have: an added tensor gets it."""
    sizes = dict.fromkeys(sorted(FLOATS), 0)
    for tensor in base.checkpoint.tensors.values():
        if tensor.dtype in FLOATS:
            sizes[tensor.dtype] += tensor.nbytes
    return max(sizes, key=lambda d: sizes[d])


def _tensors(
    base: Base, edits: Mapping[str, Edit], settled: Settled, dtype: str
) -> list[PlannedTensor]:
    """All tensors of the result in the base's order, added ones last; byte ranges come later."""
    shapes = {
        c.name: c.contribution.shape for c in settled.claims if c.contribution.shape is not None
    }
    held = base.checkpoint.tensors
    sources = {**{name: name for name in held}, **settled.copies}
    planned = [
        PlannedTensor(
            info=_goal(name, shapes.get(name) or info.shape, _out_dtype(info, base, dtype)),
            base=BaseTensor(file=base.checkpoint.file_of[source].name, info=info),
            edit=edits.get(name),
        )
        for name, source in sources.items()
        for info in (held[source],)
    ]
    added = [n for n in edits if n not in sources]
    planned += [
        PlannedTensor(
            info=_goal(name, shapes[name], _out_dtype(None, base, dtype)),
            base=None,
            edit=edits[name],
        )
        for name in added
    ]
    return planned


def _goal(name: str, shape: tuple[int, ...], dtype: str) -> TensorInfo:
    return TensorInfo(name=name, dtype=dtype, shape=shape, start=0, stop=0)


def _config_edits(settled: Settled, base: Base, dtype: Dtype) -> ConfigEdits:
    claims = settled.claims
    return ConfigEdits(
        dtype=dtype,
        untied=bool(settled.untied),
        vocab_size=grown_vocabulary(settled, base),
        architecture=architecture(claims, base.config),
        labels=labels(claims, base.config),
    )


def _weights(tensors: Sequence[PlannedTensor], base: Base, settings: Settings) -> Weights:
    if settings.shard_bytes is not None:
        return cut_files(tensors, base.checkpoint, limit=settings.shard_bytes)
    kept = keep_files(tensors, base.checkpoint)
    return kept if LAYOUTS[settings.layout].merges else indexed(kept, base.checkpoint)


def _index(weights: Weights, base: Base) -> tuple[SideFile, ...]:
    if weights.index is None:
        return ()
    if weights.kept_index:
        path = base.pinned.root / INDEX
        size = base.files[INDEX].size
        return (SideFile(path=INDEX, source=path, content=None, size=size, origin="base"),)
    return (
        SideFile(
            path=INDEX, source=None, content=weights.index, size=len(weights.index), origin="made"
        ),
    )


def _adapter_tensors(sources: Sources) -> Mapping[AdapterTensor, TensorInfo]:
    return {
        AdapterTensor(adapter=index, name=name): info
        for index, adapter in enumerate(sources.adapters)
        for name, info in adapter.checkpoint.tensors.items()
    }


def _recipe(settings: Mapping[str, str], sources: Sources) -> str:
    """sha256 of the canonical JSON of everything that decides the result's bytes."""
    content = {
        "settings": dict(settings),
        "base": digests(sources.base.files),
        "adapters": [{"weight": a.weight, "digests": digests(a.files)} for a in sources.adapters],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
