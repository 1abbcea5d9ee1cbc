"""Foresee what a merge asks of the machine, from its plan."""

from __future__ import annotations

from adapter_merge.forecast import Cost, Forecast
from adapter_merge.plan import Plan
from adapter_merge.streaming import peak_bytes
from adapter_merge.work import SPARE

# As `benchmarks/RESULTS.md` has it, for two cores: a run of 2.54 GB takes 5.2 s, 3.7 s of them to merge and
# validate; Python with torch's CPU build holds 270 MB.
_STARTUP_SECONDS = 1.5
_BYTES_PER_SECOND = 0.7e9
_PROGRAM_BYTES = 270_000_000
# PEFT and transformers beside it. A DoRA on 0.94 GB: 8.5 s to merge with two workers, 26 s to be asked for its
# outputs, one tensor at a time.
_PEFT_BYTES, _PEFT_SECONDS = 200_000_000, 4.0
_LAYERS_MERGE, _LAYERS_ASK = 0.055e9, 0.036e9  # bytes a second on one core


def foresee(plan: Plan, *, workers: int, free_bytes: int, proof: Cost | None = None) -> Forecast:
    """Guess memory, room and time.

    `free_bytes` is what the target's file system has free, `proof` what running both models takes, where they are.
    """
    layered = sum(t.info.nbytes for t in plan.tensors.values() if t.edit and t.edit.layers)
    peft = bool(layered) or plan.layout == "bundled"
    more = layered / _LAYERS_MERGE / workers + layered / _LAYERS_ASK + peft * _PEFT_SECONDS
    proof = proof or Cost(seconds=0, memory_bytes=0)
    merging = _STARTUP_SECONDS + plan.size / _BYTES_PER_SECOND + more
    # The child runs models after the merge, beside a process that keeps its libraries only.
    highest = max(peak_bytes(plan, workers), proof.memory_bytes)
    return Forecast(
        memory_bytes=_PROGRAM_BYTES + peft * _PEFT_BYTES + highest,
        needed_bytes=plan.size + SPARE,
        free_bytes=free_bytes,
        seconds=merging + proof.seconds,
        proof_seconds=proof.seconds,
    )
