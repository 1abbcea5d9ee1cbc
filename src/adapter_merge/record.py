"""What is written down of a merge: its sources as they were read, and the receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from adapter_merge.finding import Finding
from adapter_merge.methods import variant
from adapter_merge.plan import Plan
from adapter_merge.probed import Distance, NotRun, Probed, Retrieval
from adapter_merge.receipt import (
    COSINE_DIGITS,
    ChangeRecord,
    FindingRecord,
    GroupRecord,
    MethodRecord,
    ProbeRecord,
    Receipt,
    RetrievalRecord,
    RunRecord,
    SourceRecord,
)
from adapter_merge.report import Inspection, Merged
from adapter_merge.sources import Adapter, AdapterConfig, Base, Sources, digests

_RANKS = ("r", "init_r", "hra_r")  # AdaLoRA prunes from the second


def source_record(source: Adapter | Base) -> SourceRecord:
    """Where a source was read from, and the digests of the files that counted."""
    adapter = source if isinstance(source, Adapter) else None
    return SourceRecord(
        source=source.pinned.source,
        commit=source.pinned.commit,
        weight=adapter.weight if adapter else None,
        method=method_record(adapter.config) if adapter else None,
        digests=digests(source.files),
    )


def method_record(config: AdapterConfig) -> MethodRecord:
    """How an adapter was trained, as far as its config says."""
    options = config.model_extra or {}
    return MethodRecord(
        peft_type=config.peft_type or "LORA",
        variant=variant(config.peft_type, options),
        rank=_number(next((options[k] for k in _RANKS if options.get(k)), None)),
        alpha=_number(options.get("lora_alpha", options.get("alpha"))),
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value


def receipt_of(
    plan: Plan,
    sources: Sources,
    merged: Merged,
    inspection: Inspection,
    *,
    versions: Mapping[str, str],
    run: RunRecord | None = None,
) -> Receipt:
    """The receipt of a filled work folder."""
    return Receipt(
        schema_version=1,
        recipe=plan.recipe,
        base=source_record(sources.base),
        base_is_named=sources.base_is_named,
        adapters=tuple(source_record(a) for a in sources.adapters),
        settings=dict(plan.settings),
        counts=plan.counts,
        changes=tuple(ChangeRecord(**asdict(c)) for c in plan.changes),
        left_behind={f"{f.origin}: {f.path}": f.why for f in plan.left_behind},
        experts=plan.experts,
        findings=finding_records(inspection.findings),
        relative_changes=dict(inspection.relative_changes),
        probe=probe_record(inspection.probed),
        versions=dict(versions),
        run=run,
        files=dict(merged.files),
    )


def probe_record(probed: Probed | None) -> ProbeRecord | None:
    """A proof as receipt and report keep it, to six digits and cosines to nine; None where nobody asked for one."""
    if probed is None:
        return None
    if isinstance(probed, NotRun):
        return ProbeRecord(needs=probed.needs)
    return ProbeRecord(
        reference=probed.reference.kind,
        merged=None if probed.merged is None else probed.merged.kind,
        groups=tuple(_group(d) for d in probed.distances),
        towers={name: _short(effect) for name, effect in probed.towers.items()},
        unreached=probed.unreached,
        retrieval=tuple(_retrieval(r) for r in probed.retrieval),
    )


def _group(found: Distance) -> GroupRecord:
    names = ("effect", "gap", "error", "rounding", "norm", "kl", "top")
    known = {n: v for n in names if (v := getattr(found, n)) is not None}
    return GroupRecord(
        group=found.group,
        cosines=tuple(round(c, COSINE_DIGITS) for c in found.cosines),
        base_cosines=tuple(round(c, COSINE_DIGITS) for c in found.base_cosines),
        **{name: _short(value) for name, value in known.items()},
    )


def _retrieval(found: Retrieval) -> RetrievalRecord:
    values = asdict(found)
    floats = {n: _short(v) for n, v in values.items() if isinstance(v, float)}
    return RetrievalRecord(**{**values, **floats})


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def finding_records(found: tuple[Finding, ...]) -> tuple[FindingRecord, ...]:
    """Findings as a receipt keeps them."""
    return tuple(FindingRecord.model_validate(_plain(asdict(f))) for f in found)


def _plain(finding: dict[str, Any]) -> dict[str, Any]:
    return {**finding, "outcome": str(finding["outcome"]), "evidence": dict(finding["evidence"])}
