"""Foresee what a merge asks of the machine, from its plan."""

from __future__ import annotations

from adapter_merge.forecast import Forecast
from adapter_merge.plan import Plan
from adapter_merge.streaming import peak_bytes
from adapter_merge.work import SPARE

# As `benchmarks/RESULTS.md` has it, for two cores: a run of 2.54 GB takes 5.2 s, 3.7 s of them to merge and
# validate; Python with torch's CPU build holds 270 MB.
_STARTUP_SECONDS = 1.5
_BYTES_PER_SECOND = 0.7e9
_PROGRAM_BYTES = 270_000_000
# PEFT and transformers beside it; and what their layers take longer on one core: to merge, and to be asked again.
_PEFT_BYTES, _PEFT_SECONDS = 200_000_000, 4.0
_LAYER_BYTES_PER_SECOND = 0.07e9


def foresee(plan: Plan, *, workers: int, free_bytes: int) -> Forecast:
    """Guess memory, room and time; `free_bytes` is what the target's file system has free."""
    layered = sum(t.info.nbytes for t in plan.tensors.values() if t.edit and t.edit.layers)
    more = _PEFT_SECONDS + layered / _LAYER_BYTES_PER_SECOND / workers if layered else 0.0
    return Forecast(
        memory_bytes=_PROGRAM_BYTES + bool(layered) * _PEFT_BYTES + peak_bytes(plan, workers),
        needed_bytes=plan.size + SPARE,
        free_bytes=free_bytes,
        seconds=_STARTUP_SECONDS + plan.size / _BYTES_PER_SECOND + more,
    )
