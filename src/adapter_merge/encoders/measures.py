"""How far outputs are apart: pure functions on arrays, all in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from adapter_merge.encoders.rows import Floats, Rows
from adapter_merge.probed import Distance

TINY = 1e-30


def length(one: Floats, other: Floats | None = None) -> float:
    """Mean Euclidean length of rows, or of the rows' differences; 0 of no rows."""
    found = np.linalg.norm(_wide(one) - (0 if other is None else _wide(other)), axis=1)
    return float(found.mean()) if found.size else 0.0


def cosines(one: Floats, other: Floats) -> npt.NDArray[np.float64]:
    """The cosine of each row and its partner; two rows of zeros agree."""
    a, b = _wide(one), _wide(other)
    product = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    equal = (a == b).all(axis=1)
    found: npt.NDArray[np.float64] = np.where(
        equal, 1.0, (a * b).sum(axis=1) / np.maximum(product, TINY)
    )
    return found


def norm(one: Floats, reference: Floats) -> float:
    """The largest relative difference of the lengths of a row and its partner."""
    a, b = (np.linalg.norm(_wide(x), axis=1) for x in (one, reference))
    return float((np.abs(a - b) / np.maximum(b, TINY)).max(initial=0.0))


def divergence(one: Floats, reference: Floats) -> float:
    """The largest KL(reference || one) of rows of logits, in nats; what both rule out adds nothing."""
    p, q = _log_softmax(reference), _log_softmax(one)
    return float(np.where(p == q, 0.0, np.exp(p) * (p - q)).sum(axis=1).max())


def same_top(one: Floats, reference: Floats) -> float:
    """The share of rows whose largest number stands in the same place."""
    return float((one.argmax(axis=1) == reference.argmax(axis=1)).mean())


def maxsim(queries: Rows, pages: Rows) -> Floats:
    """Late interaction: (queries, pages), the sum over a query's vectors of the best match in a page."""
    scores = [[_matched(_wide(q), _wide(p)) for p in pages.each()] for q in queries.each()]
    return np.array(scores, dtype=np.float32)


def _matched(query: npt.NDArray[np.float64], page: npt.NDArray[np.float64]) -> float:
    return float((query @ page.T).max(axis=1).sum()) if page.size else 0.0


def similar(queries: Rows, texts: Rows) -> Floats:
    """(queries, texts): cosines of single vectors."""
    a, b = (
        _wide(r.values) / np.maximum(np.linalg.norm(_wide(r.values), axis=1, keepdims=True), TINY)
        for r in (queries, texts)
    )
    scores: Floats = (a @ b.T).astype(np.float32)
    return scores


def overlap(one: Floats, reference: Floats, k: int) -> float:
    """Mean share of the best `k` columns that two score tables have in common."""
    best = (np.argsort(-s, axis=1, kind="stable")[:, :k] for s in (one, reference))
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(*best, strict=True)]))


def distance(group: str, states: Mapping[str, Rows]) -> Distance:
    """Compare the merged model's rows of one group; all states have the same shape."""
    given = [states[s].values for s in ("base", "reference", "rounded", "merged")]
    base, reference, rounded, merged = _counted(given)
    size, moved = max(length(reference), TINY), length(reference, base)
    effect = max(moved, TINY)
    logits = group.endswith(("logits", "labels")) and merged.size > 0
    masked = states["merged"].masked
    return Distance(
        group=group,
        effect=moved / size,
        gap=length(merged, rounded) / size,
        error=length(merged, reference) / effect,
        rounding=length(rounded, reference) / effect,
        cosines=_least(merged, reference, states["reference"].counts),
        base_cosines=_least(base, reference, states["reference"].counts),
        norm=norm(merged, reference),
        masked=None if np.isnan(masked) else masked,
        kl=divergence(given[3], given[1]) if logits else None,
        top=same_top(given[3], given[1]) if logits else None,
    )


def _counted(states: Sequence[Floats]) -> list[Floats]:
    """The values, the merged model's last, without what the class never says: minus infinity in all states.

    Where the merged model says it all the same, its number is infinite.
    """
    never = np.logical_and.reduce([np.isneginf(values) for values in states[:-1]])
    *others, merged = (np.where(never, np.float32(0), values) for values in states)
    return [*others, np.where(never & ~np.isneginf(states[-1]), np.float32(np.inf), merged)]


def _least(one: Floats, reference: Floats, counts: npt.NDArray[np.int64]) -> tuple[float, ...]:
    """The smallest cosine of each input."""
    found = cosines(one, reference)
    parts = np.split(found, np.cumsum(counts)[:-1])
    return tuple(float(part.min(initial=1.0)) for part in parts)


def _wide(values: Floats) -> npt.NDArray[np.float64]:
    return values.astype(np.float64)


def _log_softmax(logits: Floats) -> npt.NDArray[np.float64]:
    shifted = _wide(logits) - logits.max(axis=1, keepdims=True)
    found: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found
