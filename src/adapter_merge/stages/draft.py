"""Draft the plan: every tensor, file and byte of the result, from headers and small files alone."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapter_merge.adapters import Contribution, kind_of
from adapter_merge.adapters.steps import TensorEdit
from adapter_merge.checkpoint import FLOATS, TensorInfo
from adapter_merge.errors import (
    AdapterKind,
    QuantisedBase,
    RemoteCode,
    ShapeMismatch,
    Unclaimed,
    UnsupportedError,
)
from adapter_merge.finding import Finding, Outcome
from adapter_merge.folder import INDEX
from adapter_merge.layouts import LAYOUTS, ConfigEdits, Weights, cut_files, keep_files
from adapter_merge.naming import resolve as resolve_names
from adapter_merge.naming import vocabulary_tensors
from adapter_merge.plan import (
    AdapterTensor,
    BaseTensor,
    Edit,
    Plan,
    PlannedTensor,
    SideFile,
    WeighedAdapter,
)
from adapter_merge.request import Dtype, Settings
from adapter_merge.sources import Adapter, Base, Sources, digests

_DTYPES = {"fp32": "F32", "bf16": "BF16", "fp16": "F16"}
_HEAD_OF_TASK = {
    "SEQ_CLS": "ForSequenceClassification",
    "TOKEN_CLS": "ForTokenClassification",
    "QUESTION_ANS": "ForQuestionAnswering",
}
_FINAL_HEAD = re.compile(r"(?:.*\.)?(?:score|classifier|classifier\.out_proj)\.weight")
_CLASS = re.compile(r"(?P<family>.+?)(?:For[A-Z]\w*|LMHeadModel|DoubleHeadsModel|Model)")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Claim:
    """A contribution whose tensor is known; `info` is None where the base has no such tensor."""

    adapter: Adapter
    name: str
    info: TensorInfo | None
    contribution: Contribution


def draft(settings: Settings, sources: Sources) -> Plan:
    """Turn sources into a plan.

    Raises:
        UnsupportedError: an input, or an option of the adapter, can't be merged.
        PlanError: adapter and base don't fit together.
    """
    base = sources.base
    _refuse(settings, base)
    claims, naming = _claims(sources)
    edits = _edits(claims, base, settings.dtype)
    tensors = _tensors(base, edits, claims, settings.dtype)
    limit = settings.shard_bytes
    weights = (
        keep_files(tensors, base.checkpoint)
        if limit is None
        else cut_files(tensors, base.checkpoint, limit=limit)
    )
    config = _config_edits(claims, sources, settings.dtype)
    own = {f.name for f in base.checkpoint.files} | {INDEX}
    side = LAYOUTS[settings.layout].side(sources, config, frozenset(own))
    kept = {
        "layout": settings.layout,
        "dtype": settings.dtype,
        "max_shard_size": str(limit or "keep"),
    }
    return Plan(
        adapters=tuple(
            WeighedAdapter(source=a.pinned.source, weight=a.weight) for a in sources.adapters
        ),
        base=base.pinned.source,
        to=sources.target.source,
        layout=settings.layout,
        dtype=settings.dtype,
        shards=weights.shards,
        side_files=(*_index(weights, base), *side.files),
        left_behind=side.left_behind,
        changes=side.changes,
        adapter_tensors=_adapter_tensors(sources),
        recipe=_recipe(kept, sources),
        settings=kept,
        naming=naming,
        tied=base.tied,
        findings=_probe(settings),
    )


def _refuse(settings: Settings, base: Base) -> None:
    label = base.pinned.source
    if base.config.get("auto_map"):
        raise RemoteCode(
            f"the base `{label}` brings Python code of its own (`auto_map` in `config.json`)",
            hint="Such a base is refused; take one whose class is part of transformers.",
        )
    if base.config.get("quantization_config"):
        raise QuantisedBase(
            f"the base `{label}` is quantised (`quantization_config` in `config.json`)",
            hint="Name the 16-bit model that it was made from with `--base`.",
        )
    if settings.probe == "require":
        raise UnsupportedError(
            "`--probe require` asks to run the result, and no encoder for it is built yet",
            hint="Leave it at `--probe auto`; the weights are checked all the same.",
        )


def _probe(settings: Settings) -> tuple[Finding, ...]:
    if settings.probe == "off":
        return ()
    return (
        Finding(
            code="E001",
            outcome=Outcome.SKIP,
            subject="outputs",
            message="outputs were not compared by running the model: no encoder is built yet",
        ),
    )


def _claims(sources: Sources) -> tuple[tuple[_Claim, ...], tuple[str, ...]]:
    """What every adapter does to which tensor, in the order of the adapters."""
    claims: list[_Claim] = []
    naming: list[str] = []
    tensors = sources.base.checkpoint.tensors
    for index, adapter in enumerate(sources.adapters):
        contributions = kind_of(adapter).read(adapter, index, sources.base)
        names = resolve_names(
            [c.need for c in contributions],
            sources.base.checkpoint,
            label=adapter.pinned.source,
        )
        naming.append(names.how)
        for contribution in contributions:
            name = names.tensors[contribution.need.name]
            claims.append(
                _Claim(
                    adapter=adapter,
                    name=name,
                    info=tensors.get(name),
                    contribution=contribution,
                )
            )
    return tuple(claims), tuple(naming)


def _edits(claims: Sequence[_Claim], base: Base, dtype: str) -> Mapping[str, Edit]:
    """One edit a tensor: replacements first, then deltas in the order of the adapters."""
    by_name: dict[str, list[_Claim]] = {}
    for claim in claims:
        _check_claim(claim, base)
        by_name.setdefault(claim.name, []).append(claim)
    edits: dict[str, Edit] = {}
    for name, group in by_name.items():
        saved = [c for c in group if c.contribution.shape is not None]
        _check_one_replacement(name, saved)
        deltas = [c for c in group if c.contribution.shape is None]
        edits[name] = TensorEdit(
            target=name,
            steps=tuple(c.contribution.make(c.info) for c in (*saved, *deltas)),
            dtype=_out_dtype(group[0].info, base, dtype),
        )
    return edits


def _check_claim(claim: _Claim, base: Base) -> None:
    label = claim.adapter.pinned.source
    if claim.name in base.tied:
        raise AdapterKind(
            f"`{label}` can't be merged: it changes `{claim.name}`, which the base ties to "
            f"{', '.join(f'`{n}`' for n in base.tied if n != claim.name)}",
            hint="Train without the embedding and the head, or on a base that doesn't tie them.",
        )
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


def _check_rows(claim: _Claim) -> None:
    """A saved tensor may have more rows than the base's; fewer only as a classification head."""
    shape = claim.contribution.shape
    if claim.info is None or shape is None or shape == claim.info.shape:
        return
    is_head = _FINAL_HEAD.fullmatch(claim.name.replace(".bias", ".weight")) is not None
    if shape[0] < claim.info.shape[0] and not is_head:
        raise ShapeMismatch(
            f"`{claim.adapter.pinned.source}` saved `{claim.name}` as {list(shape)}, "
            f"the base has {list(claim.info.shape)}: a vocabulary is never cut",
            hint="Name the base that the adapter was trained on with `--base`.",
        )


def _check_one_replacement(name: str, saved: Sequence[_Claim]) -> None:
    if len(saved) > 1:
        who = " and ".join(f"`{c.adapter.pinned.source}`" for c in saved)
        raise AdapterKind(
            f"{who} both saved `{name}` whole: which one counts can't be told",
            hint="Merge them one after the other, or leave one of them out.",
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
    base: Base, edits: Mapping[str, Edit], claims: Sequence[_Claim], dtype: str
) -> list[PlannedTensor]:
    """All tensors of the result in the base's order, added ones last; byte ranges come later."""
    shapes = {c.name: c.contribution.shape for c in claims if c.contribution.shape is not None}
    planned = [
        PlannedTensor(
            info=_goal(
                info.name, shapes.get(info.name) or info.shape, _out_dtype(info, base, dtype)
            ),
            base=BaseTensor(file=file.name, info=info),
            edit=edits.get(info.name),
        )
        for file in base.checkpoint.files
        for info in file.tensors
    ]
    added = [n for n in edits if n not in base.checkpoint.tensors]
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


def _config_edits(claims: Sequence[_Claim], sources: Sources, dtype: Dtype) -> ConfigEdits:
    heads = [
        c
        for c in claims
        if c.adapter.config.task_type in _HEAD_OF_TASK and c.contribution.shape is not None
    ]
    added = [c for c in heads if c.info is None]
    final = [c for c in heads if _FINAL_HEAD.fullmatch(c.name) and c.contribution.shape]
    labels = final[-1].contribution.shape[0] if final and final[-1].contribution.shape else None
    return ConfigEdits(
        dtype=dtype,
        vocab_size=_grown_vocabulary(claims, sources.base),
        architecture=_architecture(added[0].adapter, sources.base) if added else None,
        labels=labels if labels != _labels(sources.base.config) else None,
    )


def _labels(config: Mapping[str, Any]) -> int:
    """Number of labels of a config; transformers' default is two."""
    for key in ("id2label", "label2id"):
        if isinstance(config.get(key), dict):
            return len(config[key])
    number = config.get("num_labels")
    return number if isinstance(number, int) else 2


def _architecture(adapter: Adapter, base: Base) -> str | None:
    """The class with the task's head: the one the adapter names, or the sibling of the base's class."""
    named = (adapter.config.auto_mapping or {}).get("base_model_class")
    if isinstance(named, str):
        return named
    architectures = base.config.get("architectures")
    first = architectures[0] if isinstance(architectures, list) and architectures else None
    match = _CLASS.fullmatch(first) if isinstance(first, str) else None
    task = adapter.config.task_type or ""
    return match["family"] + _HEAD_OF_TASK[task] if match else None


def _grown_vocabulary(claims: Sequence[_Claim], base: Base) -> int | None:
    """Rows of the embeddings that an adapter saved with more rows; all of them must agree."""
    before = set(vocabulary_tensors(base.checkpoint))
    rows = {
        c.name: c.contribution.shape[0] for c in claims if c.name in before and c.contribution.shape
    }
    grown = {n: r for n, r in rows.items() if r != base.checkpoint.tensors[n].shape[0]}
    if not grown:
        return None
    apart = sorted(n for n in before if rows.get(n) != max(grown.values()))
    if apart:
        raise ShapeMismatch(
            f"the adapter grows `{min(grown)}` to {max(grown.values())} rows, but not `{apart[0]}`",
            hint="Save both the input embedding and the head in `modules_to_save`.",
        )
    return max(grown.values())


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


def _adapter_tensors(sources: Sources) -> tuple[AdapterTensor, ...]:
    return tuple(
        AdapterTensor(adapter=index, name=name)
        for index, adapter in enumerate(sources.adapters)
        for name in adapter.checkpoint.tensors
    )


def _recipe(settings: Mapping[str, str], sources: Sources) -> str:
    """sha256 of the canonical JSON of everything that decides the result's bytes."""
    content = {
        "settings": dict(settings),
        "base": digests(sources.base.files),
        "adapters": [{"weight": a.weight, "digests": digests(a.files)} for a in sources.adapters],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
