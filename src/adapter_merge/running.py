"""A run as it goes: what it takes from the machine, what was decided, and a report at any moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapter_merge.errors import AdapterMergeError, CheckFailed, Interrupted
from adapter_merge.finding import Verdict
from adapter_merge.forecast import Forecast
from adapter_merge.plan import Plan
from adapter_merge.ports import Encoder, Surroundings
from adapter_merge.receipt import RunRecord
from adapter_merge.report import ErrorRecord, Report
from adapter_merge.request import Request, Settings
from adapter_merge.sources import Sources
from adapter_merge.weighing import stop_on_failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What a run takes from the machine that it runs on.

    Attributes:
        now: a clock in seconds that never goes back.
        peak_rss: largest resident memory of this process so far, in bytes.
        versions: of this program, Python and the libraries that compute.
        workers: threads to merge with where the request doesn't say.
        free: bytes that are free where a folder lies, or would lie.
        disk: which disk that is; equal for folders on the same one.
        around: where sources and targets are looked for.
        encoder: what runs models for these settings; None where they want none run. It raises `RequestError`
            for inputs that can't be read.
        run: the workflow's run that this is a step of; None elsewhere.
    """

    now: Callable[[], float]
    peak_rss: Callable[[], int]
    versions: Mapping[str, str]
    workers: int
    free: Callable[[Path], int]
    disk: Callable[[Path], int]
    around: Surroundings
    encoder: Callable[[Settings], Encoder | None]
    run: RunRecord | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One merge, decided; `text` is people's own for a first card, `encoder` None where nothing is run."""

    request: Request
    sources: Sources
    plan: Plan
    forecast: Forecast
    text: str
    encoder: Encoder | None


@dataclass(kw_only=True, slots=True)
class Run:
    """What is known so far; a report can be made of it at any moment."""

    machine: Machine
    start: float
    report: Report
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count the block's seconds for a stage."""
        start = self.machine.now()
        try:
            yield
        finally:
            self.seconds[stage] = round(self.machine.now() - start, 4)

    def finished(self) -> Report:
        """The report, with what the run took."""
        total = round(self.machine.now() - self.start, 4)
        return replace(
            self.report,
            seconds={**self.seconds, "total": total},
            peak_rss_bytes=self.machine.peak_rss(),
        )


def reported(
    to: str, work: Callable[[], Report], *, machine: Machine, hint: str | None = None
) -> Report:
    """The report of a job that merges nothing, or the report of its failure.

    Where a check failed it keeps all that the job found; `hint` is the next step then.
    """
    report = Report(status="failed", to=to, versions=machine.versions)
    state = Run(machine=machine, start=machine.now(), report=report)
    with failures(state):
        state.report = work()
        stop_on_failure(Verdict(findings=state.report.findings), hint=hint)
    return state.finished()


@contextmanager
def failures(state: Run) -> Iterator[None]:
    """Turn what goes wrong in the block into the run's report."""
    try:
        yield
    except AdapterMergeError as e:
        _note_failure(state, e)
    except KeyboardInterrupt:
        waits = state.report.waits
        left = "nothing was left behind" if waits is None else f"the result waits in `{waits}`"
        stop = Interrupted("the run was stopped", hint=f"Run it again; {left}.")
        _note_failure(state, stop)


def _note_failure(state: Run, error: AdapterMergeError) -> None:
    findings = error.verdict.findings if isinstance(error, CheckFailed) else state.report.findings
    state.report = replace(
        state.report, status="failed", findings=findings, error=ErrorRecord.of(error)
    )
