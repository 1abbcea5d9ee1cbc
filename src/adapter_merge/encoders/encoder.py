"""Decides whether and how two models are run, and has it done: what `ports.Encoder` asks for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from adapter_merge.checkpoint import TensorInfo
from adapter_merge.encoders import room
from adapter_merge.encoders.answer import read_answer
from adapter_merge.encoders.child import Start, run_child
from adapter_merge.encoders.grafts import grafts_of
from adapter_merge.encoders.inputs import OwnInputs
from adapter_merge.encoders.job import STEPS, Graft, Job, Place
from adapter_merge.encoders.overlay import lay, led_home, planned_look
from adapter_merge.encoders.probes import inputs, towers
from adapter_merge.encoders.runners import Runner, runner_of
from adapter_merge.encoders.runners.sentence import strange_module
from adapter_merge.encoders.runners.vectors import Engine
from adapter_merge.figures import guessed
from adapter_merge.flavours import Look
from adapter_merge.forecast import Cost
from adapter_merge.plan import Plan
from adapter_merge.probed import NotRun, Probed, Ran, Side
from adapter_merge.sources import Sources

_SPARE = 2  # times what is needed: allocators keep more than they use
# What it may be guessed to take in seconds, and what where it is required.
_SECONDS, _PATIENT = 120, 3600
_LONGER, _LEAST = 3, 300  # times the guess, and seconds, before it is stopped: machines are busy


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelEncoder:
    """Runs models.

    Attributes:
        own: one's own inputs; None for ours.
        device: where it runs them, as torch spells it.
        free: asks for the bytes of memory that are free.
        threads: threads of the child.
        patient: whether it may take long.
        start: who does the job: a process of its own.
    """

    own: OwnInputs | None
    device: str
    free: Callable[[], int]
    threads: int
    patient: bool
    start: Start = run_child

    def cost(self, plan: Plan) -> Cost | None:
        """See `ports.Encoder`; what an adapter alone forbids is only seen when it comes to it."""
        look = planned_look(plan)
        runner = None if look.config.get("auto_map") else runner_of(look)
        tensors = [t.info for t in plan.tensors.values()]
        if runner is None or runner.lacks(look) or self._too_much(tensors):
            return None
        # Its own form (`--native`) is compared with the class that it was.
        packages = runner.packages if "native" not in plan.settings else Engine.packages
        return None if room.lacking(packages) else room.cost(tensors)

    def probe(
        self, plan: Plan, sources: Sources, merged: Path, *, advance: Callable[[int], None]
    ) -> Probed:
        """See `ports.Encoder`."""
        if sources.base.config.get("auto_map"):
            return NotRun(needs="to run Python code that the base brings, which is never done")
        try:
            with TemporaryDirectory(prefix="adapter-merge-") as scratch:
                return self._probe(plan, sources, merged, Path(scratch), advance)
        except OSError as e:
            return NotRun(needs=f"a folder to work in: {e.strerror}")

    def _probe(
        self,
        plan: Plan,
        sources: Sources,
        merged: Path,
        scratch: Path,
        advance: Callable[[int], None],
    ) -> Probed:
        base = lay(plan, sources, scratch / "base")
        # A new head makes another class of the base: what the plan says of it counts.
        looks = Look.at(base), Look.at(merged)
        runners = runner_of(looks[0]), runner_of(looks[1])
        job = self._job(plan, sources, looks[0], runners)
        if isinstance(job, NotRun):
            return job
        if (why := strange_module(looks[1])) is not None:
            return NotRun(needs=why)
        if runners[0] is not None and runners[1] is None:
            return _another(runners[0], *looks)
        candidate = led_home(merged, scratch / "bundle") if job.bundle else merged.resolve()
        job = replace(job, base=str(base), merged=str(candidate))
        place = Place(root=scratch / "out")
        place.root.mkdir()
        share = sum(t.info.nbytes for t in plan.tensors.values()) // STEPS
        seconds = max(_LEAST, _LONGER * room.seconds_needed(_tensors(sources)))
        code = self.start(job, place, seconds=seconds, done=lambda n: advance(n * share))
        if code is None:
            return NotRun(needs=f"more than {seconds:.0f} seconds, after which it was stopped")
        return read_answer(place, job.inputs, code=code)

    def _job(
        self, plan: Plan, sources: Sources, look: Look, runners: tuple[Runner | None, Runner | None]
    ) -> Job | NotRun:
        one, other = runners[0], runners[1] or runners[0]
        if one is None or other is None:
            return NotRun(needs="a runner for this kind of model, which isn't built")
        why = one.lacks(look) or room.lacking({*one.packages, *other.packages})
        why = why or self._too_much(_tensors(sources))
        if why is not None:
            return NotRun(needs=why)
        grafts = grafts_of(sources)
        if isinstance(grafts, str):
            return NotRun(needs=grafts)
        if "vision" in _towers(grafts) and not one.sees:
            return NotRun(needs="a runner that takes pictures: the adapter changes how it sees")
        return Job(
            base="",
            weights=str(sources.base.pinned.root),
            merged="",
            runner=one.name,
            merged_runner=other.name,
            grafts=grafts,
            dtypes=_dtypes(plan),
            bundle=plan.layout == "bundled",
            native="native" in plan.settings,
            inputs=inputs(self.own, sees=one.sees),
            device=self.device,
            memory=room.memory_needed(_tensors(sources)) * _SPARE,
            threads=self.threads,
        )

    def _too_much(self, tensors: Collection[TensorInfo]) -> str | None:
        needed = room.memory_needed(tensors)
        if (why := room.refusal(needed, self.free())) is not None:
            return why
        seconds = room.seconds_needed(tensors)
        if seconds <= (_PATIENT if self.patient else _SECONDS):
            return None
        more = "" if self.patient else ": `--probe require` takes the time"
        return f"{guessed(seconds)}{more}"


def _tensors(sources: Sources) -> Collection[TensorInfo]:
    return sources.base.checkpoint.tensors.values()


def _towers(grafts: tuple[Graft, ...]) -> frozenset[str]:
    """The towers that the adapters change."""
    changed = [t.stored for g in grafts for t in g.modules.values()]
    return towers([*changed, *(w.target.stored for g in grafts for w in g.saved)])


def _dtypes(plan: Plan) -> Mapping[str, str]:
    """By the names of the base's file, which in a form of its own (`--native`) aren't the result's."""
    native = "native" in plan.settings
    return {
        t.base.info.name if native and t.base is not None else name: t.info.dtype
        for name, t in plan.tensors.items()
    }


def _another(runner: Runner, base: Look, merged: Look) -> Ran:
    """The merged folder isn't of a kind that can be run, and base with adapter is: nothing was run."""
    names = f"`{merged.architecture}`", f"`{base.architecture}`"
    return Ran(
        reference=Side(kind=base.architecture, facts={"runner": runner.name}, unfilled=()),
        merged=None,
        distances=(),
        misfits={},
        towers={},
        unreached=(),
        plain=(),
        seconds={},
        peak_rss_bytes=0,
        trouble=f"its `config.json` names {names[0]}, and {names[1]} with base and adapter",
    )
