"""A vocabulary that an adapter grew: embedding, head and biases over it must agree on its size."""

from __future__ import annotations

from adapter_merge.bases.ties import Settled
from adapter_merge.errors import ShapeMismatch
from adapter_merge.naming import vocabulary_tensors
from adapter_merge.sources import Base


def grown_vocabulary(settled: Settled, base: Base) -> int | None:
    """Rows of the embeddings that an adapter saved with more rows; None where it saved none.

    Raises:
        ShapeMismatch: something else that has one row a token didn't grow with them.
    """
    held = base.checkpoint.tensors
    before = {n: held[n] for n in vocabulary_tensors(base.checkpoint)}
    before |= {n: held[source] for n, source in settled.copies.items()}
    rows = {c.name: c.rows for c in settled.claims if c.rows}
    grown = {n: rows[n] for n in before if rows.get(n, 0) not in {0, before[n].shape[0]}}
    if not grown:
        return None
    one_a_token = {*before, *(b for n in before for b in _biases(n) if b in held)}
    one_a_token |= {n for n in held if n.endswith("final_logits_bias")}
    apart = sorted(n for n in one_a_token if rows.get(n) != max(grown.values()))
    if apart:
        raise ShapeMismatch(
            f"the adapter grows `{min(grown)}` to {max(grown.values())} rows, but not `{apart[0]}`",
            hint="Save both the input embedding and the head in `modules_to_save`.",
        )
    return max(grown.values())


def _biases(table: str) -> tuple[str, str]:
    """What a head's bias over the vocabulary may be called: its own, or its parent's."""
    module = table.removesuffix(".weight")
    return f"{module}.bias", f"{module.rpartition('.')[0]}.bias"
