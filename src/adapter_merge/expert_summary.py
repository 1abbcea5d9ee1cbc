"""Sentences about how the factors of fused experts were read."""

from __future__ import annotations

from collections.abc import Iterable

from adapter_merge.receipt import ExpertRecord


def describe_experts(records: Iterable[ExpertRecord]) -> tuple[str, ...]:
    """One sentence for each reading, with the parameters that were read so."""
    groups: dict[str, list[str]] = {}
    for record in records:
        reading = (
            f"{record.layout} ({record.layout_source}), "
            f"{record.orientation} ({record.orientation_source})"
        )
        groups.setdefault(reading, []).append(f"`{record.parameter}`")
    return tuple(
        f"{', '.join(dict.fromkeys(names))}: {reading}" for reading, names in groups.items()
    )
