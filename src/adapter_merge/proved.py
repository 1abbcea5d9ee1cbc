"""What a proof has shown, in one sentence: for the card, the terminal and the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from adapter_merge.figures import at_least, cosine, counted, percent
from adapter_merge.probed import EXERCISED, NOISE, SCORES
from adapter_merge.receipt import GroupRecord, ProbeRecord


def proved(record: ProbeRecord | None) -> str:
    """What was compared and how near the result came; empty where not both models ran."""
    if record is None or not record.ran:
        return ""
    groups = compared(record)
    if not groups:
        return "base with adapter and the result ran, and their outputs can't be compared"
    ran = f"{counted(_inputs(groups), 'input')} through base with adapter and through the result"
    return f"{ran}: {', '.join([*_near(groups), _error(groups)])}"


def compared(record: ProbeRecord) -> tuple[GroupRecord, ...]:
    """The groups that are judged; scores follow from them."""
    return tuple(g for g in record.groups if g.cosines and not g.group.startswith(SCORES))


def least(values: Iterable[float]) -> float:
    """The smallest, or NaN where one is: Python's own `min` depends on the order then."""
    found = tuple(values)
    return math.nan if any(map(math.isnan, found)) else min(found)


def _inputs(groups: Sequence[GroupRecord]) -> int:
    """Several groups of one input, such as its vectors and their mean, have its kind in common."""
    kinds: dict[str, int] = {}
    for group in groups:
        kind = group.group.partition(".")[0]
        kinds[kind] = max(kinds.get(kind, 0), len(group.cosines))
    return sum(kinds.values())


def _near(groups: Sequence[GroupRecord]) -> Iterator[str]:
    """Directions of vectors; of logits, how far what they predict is apart."""
    vectors = [g for g in groups if g.kl is None]
    if vectors:
        yield f"smallest cosine {cosine(least(c for g in vectors for c in g.cosines))}"
    divergences = [g.kl for g in groups if g.kl is not None]
    if divergences:
        yield f"largest KL divergence {-least(-kl for kl in divergences):.2g} nats"
    tops = [g.top for g in groups if g.top is not None]
    if tops:
        yield f"first choice the same in {at_least(least(tops))}"


def _error(groups: Sequence[GroupRecord]) -> str:
    """Of groups that the adapter doesn't move it would be noise over noise."""
    moved = [g for g in groups if not g.effect < EXERCISED * NOISE]
    if not moved:
        return "and the adapter moves no output"
    worst = max(moved, key=lambda g: (math.isnan(g.error), g.error))
    rounding = f"rounding alone costs {percent(worst.rounding)}"
    return f"error {percent(worst.error)} of what the adapter does ({rounding})"
