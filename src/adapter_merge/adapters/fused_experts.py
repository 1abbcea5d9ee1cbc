"""How the factors of fused experts are read: the layout of `lora_B`, and the orientation of square parameters.

The names and shapes of such factors do not tell either. What was decided, and by what, becomes a record in plan,
receipt and card. Nothing is guessed: where nothing certain decides, the user is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from adapter_merge.adapters.column_layout import (
    ColumnLayout,
    ColumnStatistics,
    Evidence,
    column_statistics,
    evidence,
)
from adapter_merge.adapters.contribution import Contribution
from adapter_merge.adapters.expert_orientation import (
    Located,
    OrientationReading,
    has_transposed_class,
    read_orientation,
)
from adapter_merge.adapters.factors import FusedFactors
from adapter_merge.adapters.parameters import on_parameter
from adapter_merge.adapters.unsloth import CHOOSE_LAYOUT, is_fixed, marker_of, trace_of
from adapter_merge.checkpoint import TensorInfo
from adapter_merge.errors import Ambiguous
from adapter_merge.receipt import ExpertRecord
from adapter_merge.sources import Adapter
from adapter_merge.stored import Stored

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)|^\d+(?=\.)")


@dataclass(frozen=True, kw_only=True, slots=True)
class _LayoutReading:
    layout: ColumnLayout
    source: str
    conflict: str = ""


def read_fused_experts(
    contributions: Sequence[Contribution],
    locate: Callable[[Contribution], Located | None],
    adapter: Adapter,
    config: Mapping[str, Any],
) -> tuple[tuple[Contribution, ...], tuple[ExpertRecord, ...]]:
    """Decide how the fused factors among an adapter's contributions are read.

    The others are returned as they are. `locate` gives the parameter that a contribution changes, `config` is the
    base's.

    Raises:
        Ambiguous: nothing certain decides on the layout or the orientation.
        AdapterKind: the config says that one parameter has columns in several orders.
        RequestError: a setting contradicts the shapes.
    """
    located = {c: found for c in contributions if (found := locate(c)) is not None}
    located = {c: found for c, found in located.items() if len(found.shape) > 2}
    if not located:
        return tuple(contributions), ()
    classes, parameters = _grouped(located.values(), _class_of), _grouped(located.values(), _leaf)
    orientations = {key: read_orientation(group, adapter, config) for key, group in classes.items()}
    layouts = _layouts(
        {key: [found.fused for found in group] for key, group in parameters.items()}, adapter
    )
    decided: list[Contribution] = []
    records: dict[str, ExpertRecord] = {}
    for contribution in contributions:
        found = located.get(contribution)
        if found is None:
            decided.append(contribution)
            continue
        layout, orientation = layouts[_leaf(found.fused)], orientations[_class_of(found.fused)]
        fused = replace(
            found.fused,
            transposed=orientation is not None and orientation.orientation == "transposed",
            factors=replace(found.fused.factors, layout=layout.layout),
        )
        decided.append(on_parameter(fused))
        record = _record(replace(found, fused=fused), layout, orientation, adapter, config)
        records.setdefault(record.parameter, record)
    return tuple(decided), tuple(records.values())


def _grouped(
    located: Iterable[Located], key: Callable[[FusedFactors], str]
) -> Mapping[str, list[Located]]:
    groups: dict[str, list[Located]] = {}
    for found in located:
        groups.setdefault(key(found.fused), []).append(found)
    return groups


def _record(
    located: Located,
    layout: _LayoutReading,
    orientation: OrientationReading | None,
    adapter: Adapter,
    config: Mapping[str, Any],
) -> ExpertRecord:
    fused = located.fused
    transposed = fused.is_transposed(located.shape) is True
    plain = layout.layout == "rank-major" or fused.factors.rank == 1
    return ExpertRecord(
        adapter=adapter.pinned.source,
        parameter=_folded(fused.name),
        layout=layout.layout,
        layout_source=layout.source,
        orientation="transposed" if transposed else "direct",
        orientation_source=orientation.source if orientation and fused.is_square else "the shapes",
        conflict=layout.conflict,
        read_by_peft=plain and transposed == has_transposed_class(fused, config),
    )


def _class_of(fused: FusedFactors) -> str:
    """What all parameters of one class have in common: the path around their module, without numbers."""
    return _folded(fused.module.rpartition(".")[0])


def _leaf(fused: FusedFactors) -> str:
    """The parameter without its path; one that is called `weight` goes by its module."""
    if fused.parameter != "weight":
        return fused.parameter
    return f"{fused.module.rpartition('.')[2]}.weight"


def _folded(path: str) -> str:
    return _NUMBER.sub("*", path)


def _layouts(
    parameters: Mapping[str, Sequence[FusedFactors]], adapter: Adapter
) -> Mapping[str, _LayoutReading]:
    by_parameter = {name: _evidence(group, adapter) for name, group in parameters.items()}
    whole = _evidence([f for group in parameters.values() for f in group], adapter)
    return {
        name: _layout(name, group, _joined(by_parameter[name], whole), adapter)
        for name, group in parameters.items()
    }


def _joined(own: Evidence, whole: Evidence) -> Evidence:
    """The evidence of one parameter; where it decides nothing, that of all parameters of the adapter."""
    if own.layout is None:
        return whole if own.unguarded is None else own
    if whole.layout not in {None, own.layout}:
        return Evidence(layout=None)
    return own


def _layout(
    name: str, group: Sequence[FusedFactors], found: Evidence, adapter: Adapter
) -> _LayoutReading:
    label, experts = adapter.pinned.source, group[0].factors.experts
    shown = "" if found.layout is None else f"its weights show `{found.layout}`: {found.reason}"
    marker = marker_of(adapter, name.rpartition(".")[2], experts)
    trace = trace_of(adapter)
    if all(f.factors.experts == 1 or f.factors.rank == 1 for f in group):
        return _LayoutReading(layout="rank-major", source="both layouts are equal here")
    if (stated := adapter.expert_layout) != "auto":
        against = [shown] if found.layout not in {None, stated} else []
        against += (
            [f"`{marker.field}` says otherwise"] if marker and marker.layout != stated else []
        )
        return _LayoutReading(
            layout=stated, source="`--expert-layout`", conflict="; ".join(against)
        )
    if marker is not None:
        if found.layout not in {None, marker.layout}:
            raise Ambiguous(
                f"the layout of `lora_B` of `{name}` in `{label}` is not known: `{marker.field}` says "
                f"`{marker.layout}`, and {shown}",
                hint=CHOOSE_LAYOUT,
            )
        return _LayoutReading(layout=marker.layout, source=f"`{marker.field}`")
    if trace is None:
        if found.layout == "grouped-by-expert":
            raise Ambiguous(
                f"the layout of `lora_B` of `{name}` in `{label}` is not known: nothing in its config says that it "
                f"differs from PEFT's, and {shown}",
                hint=CHOOSE_LAYOUT,
            )
        return _LayoutReading(
            layout="rank-major", source="PEFT's layout, as nothing shows another one"
        )
    layout = found.layout
    if layout is None and found.unguarded == "grouped-by-expert" and is_fixed(adapter):
        layout = found.unguarded
    if layout is None:
        raise Ambiguous(
            f"the layout of `lora_B` of `{name}` in `{label}` is not known: {trace}, and Unsloth changed the layout "
            "in zoo 2026.2.1 and 2026.9.6 without a marker in the file; its weights show neither",
            hint=CHOOSE_LAYOUT,
        )
    return _LayoutReading(layout=layout, source=f"its weights: {found.reason}")


def _evidence(group: Iterable[FusedFactors], adapter: Adapter) -> Evidence:
    tensors = adapter.checkpoint.tensors
    path = adapter.weights
    modified = path.stat().st_mtime_ns
    return evidence(
        _statistics(path, modified, tensors[f.factors.b.name], f.factors.experts) for f in group
    )


@lru_cache(maxsize=4096)
def _statistics(
    path: Path, _modified: int, info: TensorInfo, experts: int
) -> ColumnStatistics | None:
    """Computed once: one parameter and the whole adapter, planning, the proof and checks ask for the same tensor."""
    import numpy as np

    values = Stored(path=path, info=info).values(slice(0, info.shape[0]))
    return column_statistics(values.astype(np.float32), experts)
