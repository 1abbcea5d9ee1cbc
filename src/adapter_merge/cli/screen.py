"""A plan on one screen: what onto what, what changes, what is written, what it takes, what stays behind."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping

from rich.table import Table

from adapter_merge.cli.parts import Part, parts_of
from adapter_merge.cli.show import Cell, labelled, one_line
from adapter_merge.expert_summary import describe_experts
from adapter_merge.figures import about, counted, guessed, middle, nbytes, number
from adapter_merge.forecast import Forecast, Room, Traffic
from adapter_merge.plan import Change, LeftBehind, Plan, PlanWarning, WeighedAdapter
from adapter_merge.receipt import MethodRecord
from adapter_merge.request import LayoutName

# Together they keep the screen at 30 lines; `--json` has everything.
_WARNINGS, _ADAPTERS, _PARTS, _CHANGES, _REASONS = 2, 2, 2, 5, 3
_LINES = 4  # of a warning, at most
# Where a name is longer its middle is left out: a line of 80 columns has room for 64, two have room for 128.
_NAME = 64

Row = tuple[str, Cell]


def plan_screen(plan: Plan, forecast: Forecast) -> Table:
    """The screen, warnings first; below them at most 30 lines where 80 columns are there, whatever the plan."""
    return labelled(_rows(plan, forecast))


def _rows(plan: Plan, forecast: Forecast) -> Iterator[Row]:
    yield from _warnings(plan.warnings)
    yield from _adapters(plan.adapters)
    yield "base", middle(plan.base, 2 * _NAME)
    yield "to", middle(plan.to, 2 * _NAME)
    yield from _changed(plan)
    yield "writes", _written(plan)
    yield "disk", _room(forecast)
    if forecast.cache is not None:
        yield "cache's disk", _room(forecast.cache)
    traffic = list(_hub(forecast.traffic))
    yield from traffic
    yield "takes", _taken(forecast)
    if forecast.proof_seconds:
        yield "", one_line(f"{guessed(forecast.proof_seconds)} of it to run both models")
    changes: list[Cell] = [one_line(_change(c)) for c in plan.changes]
    taken = len(traffic) + (forecast.cache is not None)
    yield from _some("declared", changes, _CHANGES - taken)
    yield from _some("left behind", list(_reasons(plan.left_behind)), _REASONS, "more")
    yield "recipe", plan.recipe[:12]


def _warnings(warnings: tuple[PlanWarning, ...]) -> Iterator[Row]:
    """The first ones; names of strangers can't make one longer than a few lines."""
    for warning in warnings[:_WARNINGS]:
        yield "warning", middle(f"{warning.message} ({warning.code})", _LINES * _NAME)
    if len(warnings) > _WARNINGS:
        yield "", f"and {len(warnings) - _WARNINGS} more; `--json` lists them all"


def _adapters(adapters: tuple[WeighedAdapter, ...]) -> Iterator[Row]:
    if len(adapters) == 1:
        yield "adapter", middle(weighed(adapters[0].source, adapters[0].weight), 2 * _NAME)
    else:
        names = [middle(weighed(a.source, a.weight), _NAME) for a in adapters]
        yield from _some("adapters", [one_line(name) for name in names], _ADAPTERS)
    yield "method", one_line(" and ".join(dict.fromkeys(method(a.method) for a in adapters)))


def weighed(source: str, weight: float | None) -> str:
    """An adapter and its weight, where that isn't 1."""
    return source if weight in (None, 1) else f"{source} (weight {number(weight)})"


def method(record: MethodRecord) -> str:
    """A method with its figures: `LORA (DoRA), rank 16, alpha 32`."""
    figures = {"rank": record.rank, "alpha": record.alpha}
    known = (f"{name} {number(value)}" for name, value in figures.items() if value is not None)
    variant = f" ({record.variant})" if record.variant else ""
    return ", ".join((f"{record.peft_type}{variant}", *known))


def _changed(plan: Plan) -> Iterator[Row]:
    yield "tensors", tensors(plan.counts, plan.layout)
    same = "the names are the same"
    naming = [how for how in dict.fromkeys(plan.naming) if how != same]
    if naming:
        yield "naming", one_line("; ".join(naming))
    if plan.experts:
        yield "experts", one_line("; ".join(describe_experts(plan.experts)))
    parts, beside = parts_of(edit.target for edit in plan.edits)
    for part in parts[:_PARTS]:
        yield "modules", one_line(_heading(part))
        yield "", middle(part.kinds, 2 * _NAME)
    more = parts[_PARTS:]
    rest = [counted(len(more), "more list of layers", "more lists of layers")] if more else []
    if rest or beside:
        yield "" if parts else "modules", one_line(", ".join([*rest, *beside]))


def _heading(part: Part) -> str:
    layers = counted(part.layers, "layer")
    return f"{part.modules} in {layers} of `{middle(part.stack, 36)}`: {part.numbers}"


def tensors(counts: Mapping[str, int], layout: LayoutName) -> str:
    """A report's counts as a sentence."""
    if layout == "bundled":
        total = counts["adapter_tensors_total"]
        return f"{counts['tensors_copied']} copied; the adapter's {total} lie beside them, unmerged"
    ours = f"{counts['tensors_edited']} edited and {counts['tensors_copied']} copied"
    used = f"{counts['adapter_tensors_used']} of {counts['adapter_tensors_total']}"
    return f"{ours}; {used} adapter tensors used"


def _written(plan: Plan) -> Cell:
    weights = counted(len(plan.shards), "weight file")
    dtype = "dtypes kept" if plan.dtype == "keep" else f"in {plan.dtype}"
    return one_line(
        f"{nbytes(plan.size)}: {weights} ({dtype}), {counted(len(plan.side_files), 'other file')}"
    )


def _room(room: Forecast | Room) -> Cell:
    needed, free = nbytes(room.needed_bytes), nbytes(room.free_bytes)
    if room.free_bytes < room.needed_bytes:
        return one_line(f"too little: {free} free, {needed} needed")
    return one_line(f"{needed} needed, {free} free")


def _hub(traffic: Traffic | None) -> Iterator[Row]:
    if traffic is None:
        return
    if traffic.stored_bytes:
        pulled, stored = nbytes(traffic.pulled_bytes), nbytes(traffic.stored_bytes)
        yield "pulls", one_line(f"{pulled} that aren't here yet, of repositories with {stored}")
    if traffic.repo is not None:
        why = f" ({traffic.why})" if traffic.why else ""
        added = f"{nbytes(traffic.added_bytes)} to `{traffic.repo}`"
        yield "publishes", one_line(f"{added}, {traffic.visibility}{why}")


def _taken(forecast: Forecast) -> Cell:
    time, memory = guessed(forecast.seconds), about(forecast.memory_bytes)
    return one_line(f"{time}, more on a slow disk; about {memory} of memory")


def _change(change: Change) -> str:
    return f"{change.subject}: {value(change.before)} -> {value(change.after)}"


def value(content: object) -> str:
    """One side of a declared change."""
    if content is None:
        return "not set"
    if isinstance(content, bytes):
        return content.decode(errors="replace")
    return content if isinstance(content, str) else json.dumps(content, default=str)


def _reasons(left: tuple[LeftBehind, ...]) -> Iterator[Cell]:
    """Files by the reason why they stay behind; one alone is named."""
    for why, count in Counter(file.why for file in left).most_common():
        alone = next(file.path for file in left if file.why == why)
        who = f"`{middle(alone, _NAME // 2)}`" if count == 1 else counted(count, "file")
        yield one_line(f"{who}: {why}")


def _some(label: str, lines: list[Cell], most: int, more: str = "more") -> Iterator[Row]:
    for at, line in enumerate(lines[:most]):
        yield (label if at == 0 else "", line)
    if len(lines) > most:
        yield "", f"and {len(lines) - most} {more}; `--json` lists them all"
