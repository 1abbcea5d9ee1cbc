"""What is to be merged now: the entries of merges.yaml against what stands, and then the merges."""

from __future__ import annotations

from adapter_merge.reconcile.decide import Decision
from adapter_merge.reconcile.round import Failed, Memory, decisions, looks
from adapter_merge.reconcile.sync import MOST_JOBS, matrix, sync
from adapter_merge.reconcile.thread import Voice, adapters_of, discuss
from adapter_merge.reconcile.watched import expand

__all__ = [
    "MOST_JOBS",
    "Decision",
    "Failed",
    "Memory",
    "Voice",
    "adapters_of",
    "decisions",
    "discuss",
    "expand",
    "looks",
    "matrix",
    "sync",
]
