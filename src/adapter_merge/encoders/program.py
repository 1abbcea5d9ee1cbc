"""The child: runs models and writes numbers; started by `child` alone, as `python -m`.

It finds a job in the folder that it is given and writes its answer there. No network, no token: its parent
gave it neither. What it prints is kept for the message of a crash.
"""

from __future__ import annotations

import ctypes
import gc
import json
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_merge.encoders import reference
from adapter_merge.encoders.inputs import Inputs
from adapter_merge.encoders.job import Job, Place
from adapter_merge.encoders.passages import PASSAGES
from adapter_merge.encoders.plain import plain_load
from adapter_merge.encoders.probes import pages, towers
from adapter_merge.encoders.reference import Broken, Names, Unloadable
from adapter_merge.encoders.retrieval import RANKED, wants_passages
from adapter_merge.encoders.rows import Outputs, pack
from adapter_merge.encoders.runners import RUNNERS, Running
from adapter_merge.encoders.runners.runner import placed
from adapter_merge.encoders.runners.vectors import with_processor
from adapter_merge.repository import open_checkpoint
from adapter_merge.skeleton import skeleton_from

if TYPE_CHECKING:
    from PIL.Image import Image

_Clock = dict[str, float]
_SHOWN = 200
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, kw_only=True)
class _Given:
    """What both models are run on."""

    inputs: Inputs
    pages: Sequence[Image]


def _work(job: Job, place: Place) -> dict[str, object]:
    """Run all states and write their arrays; the answer has what isn't numbers."""
    seconds: _Clock = {}
    before = time.monotonic()
    _prepare(job)
    seconds["import"] = time.monotonic() - before
    arrays: dict[str, Any] = {}
    told: dict[str, object] = {"seconds": seconds, "trouble": None, "merged": None}
    given = _timed(seconds, "reference", lambda: _reference(job, place, arrays, told))
    gc.collect()
    try:
        told["merged"] = _timed(seconds, "merged", lambda: _merged(job, given, arrays))
    except MemoryError:
        raise
    except Exception as e:
        if _is_memory(e):
            raise
        traceback.print_exc()
        told["trouble"] = _first_line(e, job)
    np.savez(place.arrays, **arrays)
    told["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return told


def _timed(seconds: _Clock, name: str, do: Callable[[], Any]) -> Any:
    start = time.monotonic()
    try:
        return do()
    finally:
        seconds[name] = time.monotonic() - start


def _prepare(job: Job) -> None:
    import warnings

    import torch
    import transformers

    warnings.simplefilter("ignore")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(job.threads)
    torch.set_grad_enabled(False)
    # TF32 and the like would be a coarser reference than a float32 file.
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


def _reference(job: Job, place: Place, arrays: dict[str, Any], told: dict[str, object]) -> _Given:
    """Base, base with adapters, each tower without them, and all merged by PEFT and rounded."""
    running, names, unfilled = _load(job, job.runner, Path(job.base), Path(job.weights), seed=1)
    _done(place)
    model = running.model
    given = _Given(inputs=_with_tokens(job, running), pages=pages(job.inputs))
    told["plain"] = [p for graft in job.grafts if (p := plain_load(model, graft)) is not None]
    for graft in job.grafts:
        reference.put_saved(model, graft, names, added=True)
    outputs = running.run(given.inputs, given.pages)
    arrays |= pack("base", outputs) | _ranked("base", running, given, outputs)
    _done(place)
    for graft in job.grafts:
        reference.put_saved(model, graft, names, added=False)
        reference.put_rows(model, graft, names)
    reference.put_adapters(model, job.grafts, names)
    placed(model, job.device)
    with reference.watched(model) as idle:
        outputs = running.run(given.inputs, given.pages)
    arrays |= pack("reference", outputs) | _ranked("reference", running, given, outputs)
    told["unreached"] = sorted(idle)
    _done(place)
    for tower in _apart(model):
        with reference.without(model, tower):
            arrays |= pack(f"without:{tower}", running.run(given.inputs, given.pages))
    if not job.bundle:
        reference.fold(model, names, job.dtypes)
        outputs = running.run(given.inputs, given.pages)
    arrays |= pack("rounded", outputs)
    _done(place)
    added = {
        names.live(w.target) for g in job.grafts for w in g.saved if w.target.stored in g.added
    }
    told["reference"] = _side(running, tuple(n for n in unfilled if n not in added))
    return given


def _ranked(state: str, running: Running, given: _Given, outputs: Outputs) -> dict[str, Any]:
    """What it makes of our passages, where they are wanted."""
    if not wants_passages(given.inputs, outputs):
        return {}
    return pack(f"{RANKED}{state}", running.run(PASSAGES, ()))


def _with_tokens(job: Job, running: Running) -> Inputs:
    """The inputs, and a text of the tokens that the adapter learned one by one."""
    places = sorted({n for graft in job.grafts for _, rows in graft.rows for n in rows.places})
    text = running.spell(places) if places else ""
    if not text:
        return job.inputs
    return replace(job.inputs, texts=(*job.inputs.texts, text), queries=(*job.inputs.queries, text))


def _apart(model: Any) -> frozenset[str]:
    """The adapted towers, where there are several."""
    found = towers(reference.layers(model))
    return found if len(found) > 1 else frozenset()


def _merged(job: Job, given: _Given, arrays: dict[str, Any]) -> dict[str, object]:
    merged = Path(job.merged)
    # Another seed: a parameter that no file fills differs from the reference's.
    weights = Path(job.weights) if job.bundle else merged
    running, _, unfilled = _load(job, job.merged_runner, merged, weights, seed=2)
    if job.native:
        # Its words for queries are declared to differ; what the model makes of the same words must not.
        running = with_processor(running, Path(job.base))
    outputs = running.run(given.inputs, given.pages)
    arrays |= pack("merged", outputs) | _ranked("merged", running, given, outputs)
    return _side(running, () if job.bundle else unfilled)


def _load(
    job: Job, runner: str, folder: Path, weights: Path, *, seed: int
) -> tuple[Running, Names, tuple[str, ...]]:
    import torch

    torch.manual_seed(seed)
    running = next(r for r in RUNNERS if r.name == runner).load(folder, job.device)
    names = Names(skeleton=skeleton_from(running.model))
    shapes = {n: t.shape for n, t in open_checkpoint(weights).tensors.items()}
    return running, names, names.unfilled(shapes)


def _side(running: Running, unfilled: tuple[str, ...]) -> dict[str, object]:
    facts: Mapping[str, object] = running.facts
    return {"kind": running.kind, "facts": facts, "unfilled": unfilled}


def _done(place: Place) -> None:
    with place.steps.open("ab") as steps:
        steps.write(b".")


def _first_line(error: BaseException, job: Job) -> str:
    """What went wrong; the folders are of this run and mean nothing to anybody."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    for folder, name in ((job.merged, "the merged folder"), (job.base, "the base")):
        text = text.replace(folder, name)
    return f"{type(error).__name__}: {text[:_SHOWN]}"


def _is_memory(error: Exception) -> bool:
    """Torch says it in words; on a GPU with a class of its own."""
    return "can't allocate memory" in str(error) or type(error).__name__ == "OutOfMemoryError"


def _limit(job: Job) -> None:
    """Less memory than would hurt, no core, and no life after a parent that was killed."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # CUDA maps far more than it uses.
    if job.device == "cpu":
        resource.setrlimit(resource.RLIMIT_DATA, (job.memory, job.memory))


def answer(job: Job, place: Place) -> None:
    """Do a job; whatever happens is an answer too."""
    try:
        said = _work(job, place)
    except MemoryError:
        said = {"memory": True}
    except Unloadable as e:
        said = {"unloadable": str(e)}
    except Broken as e:
        said = {"broken": str(e)}
    except ImportError as e:
        said = {"lacking": _first_line(e, job).partition(": ")[2]}
    except Exception as e:
        traceback.print_exc()
        said = {"memory": True} if _is_memory(e) else {"broken": _first_line(e, job)}
    place.answer.write_text(json.dumps(said))


def main() -> None:
    """Do the job of the folder that is named."""
    place = Place(root=Path(sys.argv[1]))
    job = Job.load(place.job.read_bytes())
    _limit(job)
    answer(job, place)


if __name__ == "__main__":
    main()
