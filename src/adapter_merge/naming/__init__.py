"""How an adapter's module finds its tensor: attempts, and the one cover that counts."""

from __future__ import annotations

from adapter_merge.naming.apart import SCALED, Inseparable, apart, ties_itself
from adapter_merge.naming.attempt import Target
from adapter_merge.naming.quick import model_types
from adapter_merge.naming.resolve import Names, resolve
from adapter_merge.naming.tied import tied_tensors, vocabulary_tensors, with_tied
from adapter_merge.naming.uncovered import shared_weight

__all__ = [
    "SCALED",
    "Inseparable",
    "Names",
    "Target",
    "apart",
    "model_types",
    "resolve",
    "shared_weight",
    "tied_tensors",
    "ties_itself",
    "vocabulary_tensors",
    "with_tied",
]
