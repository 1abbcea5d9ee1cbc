"""How an adapter's module finds its tensor: rules, and the one cover that counts."""

from __future__ import annotations

from adapter_merge.naming.resolve import Names, resolve
from adapter_merge.naming.rule import Rule
from adapter_merge.naming.tied import tied_tensors, vocabulary_tensors

__all__ = ["Names", "Rule", "resolve", "tied_tensors", "vocabulary_tensors"]
