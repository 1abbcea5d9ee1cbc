"""What an adapter's files say about training with Unsloth: traces, and markers of the layout of `lora_B`.

Unsloth's kernels for fused experts trained `lora_B` in another column order than PEFT's from zoo 2026.2.1 to
2026.9.5, without a marker in the file. Source: unsloth_zoo `temporary_patches/moe_utils.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapter_merge.adapters.column_layout import ColumnLayout
from adapter_merge.errors import AdapterKind, Ambiguous
from adapter_merge.sources import Adapter

FIXED, FUSED, FLAT = "unsloth_fixed", "unsloth_fused_expert_lora", "lora_B_layout"
# Fields of `adapter_config.json` that only these modules read.
FIELDS = frozenset({FIXED, FUSED, FLAT})
CHOOSE_LAYOUT = (
    "Find out which program and version trained the adapter, and say which order `lora_B` has: "
    "`--expert-layout rank-major` (PEFT; Unsloth from zoo 2026.9.6) or `--expert-layout grouped-by-expert` (Unsloth before)."
)
_LAYOUTS: Mapping[str, ColumnLayout] = {
    "rank_major": "rank-major",
    "grouped_by_expert": "grouped-by-expert",
}
_OWNER, _TAG = "unsloth/", "unsloth"


@dataclass(frozen=True, kw_only=True, slots=True)
class Marker:
    """A statement about the layout of one parameter's `lora_B`, and the field that holds it."""

    layout: ColumnLayout
    field: str


def trace_of(adapter: Adapter) -> str | None:
    """Why an adapter may come from Unsloth, as a clause for messages; None where nothing says so."""
    fields = {key for options in _options(adapter) for key in FIELDS & options.keys()}
    if fields:
        return f"`adapter_config.json` has `{min(fields)}`"
    named = adapter.config.base_model_name_or_path or ""
    cards = () if adapter.readme is None else adapter.readme.texts("base_model")
    base = next((n for n in (named, *cards) if n.lower().startswith(_OWNER)), None)
    if base is not None:
        return f"it names the base model `{base}`"
    tags = () if adapter.readme is None else adapter.readme.texts("tags")
    return "its card has the tag `unsloth`" if _TAG in {t.lower() for t in tags} else None


def is_fixed(adapter: Adapter) -> bool:
    """Whether the config has `unsloth_fixed`, which Unsloth itself writes."""
    return any(options.get(FIXED) for options in _options(adapter))


def marker_of(adapter: Adapter, parameter: str, experts: int) -> Marker | None:
    """What the config says of the layout of a parameter's `lora_B`; None where it says nothing.

    Unsloth writes markers at the top level, and in newer versions in `auto_mapping` too, which PEFT keeps when
    it drops unknown fields. A statement about the parameter counts before one about all parameters.

    Raises:
        AdapterKind: the marker says that one parameter has columns in both orders.
        Ambiguous: the marker has an unknown word or another number of experts, or two markers disagree, and
            the user did not state the layout.
    """
    found = [
        marker
        for options in _options(adapter)
        if (marker := _marker(options, adapter, parameter, experts)) is not None
    ]
    if len({marker.layout for marker in found}) > 1 and adapter.expert_layout == "auto":
        raise Ambiguous(
            f"the config of `{adapter.pinned.source}` says two things about `lora_B` of `{parameter}`: "
            f"`{found[0].layout}` at its top level, and `{found[1].layout}` in `auto_mapping`",
            hint=CHOOSE_LAYOUT,
        )
    return found[0] if found else None


def _marker(
    options: Mapping[str, Any], adapter: Adapter, parameter: str, experts: int
) -> Marker | None:
    statement = next(_statements(options, parameter), None)
    if statement is None:
        return None
    field, word, number = statement
    if word == "mixed":
        raise AdapterKind(
            f"`{adapter.pinned.source}` can't be merged: `{field}` says that the columns of `lora_B` of "
            f"`{parameter}` are in several orders",
            hint="Save the adapter again with Unsloth zoo 2026.10.9 or newer, or train it again.",
        )
    layout = _LAYOUTS.get(word) if isinstance(word, str) else None
    if layout is not None and number in {None, experts}:
        return Marker(layout=layout, field=field)
    if adapter.expert_layout != "auto":
        return None
    problem = f"{number} experts, and its factors have {experts}" if layout else f"`{word}`"
    raise Ambiguous(
        f"the layout of `lora_B` of `{parameter}` in `{adapter.pinned.source}` is unknown: `{field}` in "
        f"`adapter_config.json` says {problem}",
        hint=CHOOSE_LAYOUT,
    )


def _statements(options: Mapping[str, Any], parameter: str) -> Iterator[tuple[str, object, object]]:
    """Field, layout and number of experts (None where it is not stated), the one that counts first."""
    fused = options.get(FUSED)
    known = fused if isinstance(fused, Mapping) else {}
    parameters = known.get("parameters")
    own = parameters.get(parameter) if isinstance(parameters, Mapping) else None
    own = own if isinstance(own, Mapping) else {}
    number = own.get("num_experts", known.get("num_experts"))
    if known.get("lora_A_layout", "grouped_by_expert") != "grouped_by_expert":
        yield f"{FUSED}.lora_A_layout", known["lora_A_layout"], number
    if FLAT in own:
        yield f"{FUSED}.parameters.{parameter}.{FLAT}", own[FLAT], number
    if FLAT in known:
        yield f"{FUSED}.{FLAT}", known[FLAT], number
    if FLAT in options:
        yield FLAT, options[FLAT], number


def _options(adapter: Adapter) -> Iterator[Mapping[str, Any]]:
    yield adapter.config.model_extra or {}
    yield adapter.config.auto_mapping or {}
