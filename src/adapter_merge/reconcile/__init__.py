"""What is to be merged now: the entries of merges.yaml against what stands, and then the merges."""

from __future__ import annotations

from adapter_merge.reconcile.decide import Decision
from adapter_merge.reconcile.sync import Failed, decisions, matrix, sync
from adapter_merge.reconcile.watched import expand

__all__ = ["Decision", "Failed", "decisions", "expand", "matrix", "sync"]
