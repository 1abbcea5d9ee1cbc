"""The matrix of a workflow, which GitHub takes no longer than 256 jobs."""

from __future__ import annotations

from adapter_merge.merges import roster_of
from adapter_merge.reconcile import MOST_JOBS, Failed, matrix
from adapter_merge.report import ErrorRecord

_ERROR = ErrorRecord(type="NotFound", code=3, message="it isn't there", hint="Look.")


def _jobs(number: int) -> list[str]:
    lines = "".join(f"- {{adapter: org/a{n}, to: org/m{n}}}\n" for n in range(number))
    entries = roster_of(f"merges:\n{lines}".encode()).entries
    found = matrix(Failed(wanted=wanted, error=_ERROR) for wanted in entries)["include"]
    return [job["to"] for job in found]


def test_what_is_past_the_limit_is_left_for_the_next_time() -> None:
    assert len(_jobs(3)) == 3
    jobs = _jobs(MOST_JOBS + 7)
    assert (len(jobs), jobs[0], jobs[-1]) == (256, "org/m0", "org/m255")
