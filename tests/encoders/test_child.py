"""The process of its own: what it gets, that it ends, and that a crash is an answer."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from adapter_merge.encoders.answer import read_answer
from adapter_merge.encoders.child import run_child
from adapter_merge.encoders.inputs import Inputs
from adapter_merge.encoders.job import STEPS, Graft, Job, Place, Rows, Target, Whole
from adapter_merge.probed import NotRun
from tests.encoders.conftest import MergeOf
from tests.encoders.proofs import judged, ran


def _job(root: Path) -> Job:
    target = Target(stored="a.weight", need="b.weight")
    graft = Graft(
        label="./a",
        folder=str(root),
        weight=0.5,
        modules={"b": target},
        saved=(Whole(key="k", target=target),),
        added=("a.weight",),
        rows=(("r", Rows(stored="a.weight", places=(1, 2))),),
        untied=True,
        parameters=True,
    )
    return Job(
        base=str(root),
        weights=str(root),
        merged=str(root),
        runner="causal",
        merged_runner="causal",
        grafts=(graft,),
        dtypes={"a.weight": "F32"},
        bundle=False,
        native=False,
        inputs=Inputs(
            texts=("t",), queries=("q",), pages=("p",), draw=True, relevant={"page": ((0, 0),)}
        ),
        device="cpu",
        memory=4_000_000_000,
        threads=1,
    )


def test_a_job_survives_its_file(tmp_path: Path) -> None:
    job = _job(tmp_path)
    assert Job.load(job.dump()) == job


def _answer(place: Place, code: int | None) -> str:
    assert code is not None
    found = read_answer(place, _job(place.root).inputs, code=code)
    assert isinstance(found, NotRun)
    return found.needs


def test_a_child_answers_what_goes_wrong(tmp_path: Path) -> None:
    steps: list[int] = []
    place = Place(root=tmp_path)
    code = run_child(_job(tmp_path), place, seconds=100, done=steps.append)
    assert _answer(place, code).startswith("a reference, and none can be built: ")
    assert sum(steps) == STEPS


def test_a_child_that_is_too_slow_is_ended(tmp_path: Path) -> None:
    steps: list[int] = []
    code = run_child(_job(tmp_path), Place(root=tmp_path), seconds=0.05, done=steps.append)
    assert code is None
    assert not (tmp_path / "answer.json").exists()


def test_a_child_has_no_more_memory_than_it_is_given(tmp_path: Path) -> None:
    place = Place(root=tmp_path)
    job = replace(_job(tmp_path), memory=30_000_000)
    code = run_child(job, place, seconds=100, done=lambda _n: None)
    assert "memory" in _answer(place, code)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child")
def test_a_child_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """Nobody would end it else: its parent had no time for that."""
    (tmp_path / "job.json").write_bytes(_job(tmp_path).dump())
    code = (
        "import subprocess, sys, time;"
        "p = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdout=subprocess.PIPE);"
        "print(p.stdout.readline().decode(), end='', flush=True); time.sleep(60)"
    )
    inner = (
        "import os, time; from adapter_merge.encoders import program as p;"
        "from adapter_merge.encoders.job import Job; from pathlib import Path;"
        f"p._limit(Job.load(Path({str(tmp_path / 'job.json')!r}).read_bytes()));"
        "print(os.getpid(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, inner], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}/exe").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}/exe").exists()


def test_a_child_that_dies_is_an_answer(tmp_path: Path) -> None:
    place = Place(root=tmp_path)
    place.log.write_text("first\nlast words\n")
    assert _answer(place, -9) == "a child that lives: it ended with -9, `last words`"


@pytest.mark.parametrize(
    ("answer", "needs"),
    [
        ({"broken": "x"}, "a reference, and none can be built: x"),
        ({"unloadable": "x"}, "a reference, and PEFT loads none: x"),
        ({"memory": True}, "more memory than there was for it"),
        ({"lacking": "y"}, "a library that isn't there: y"),
    ],
)
def test_answers_become_needs(tmp_path: Path, answer: dict[str, object], needs: str) -> None:
    place = Place(root=tmp_path)
    place.answer.write_text(json.dumps(answer))
    assert _answer(place, 0) == needs


def test_arrays_that_can_not_be_read_are_an_answer(tmp_path: Path) -> None:
    place = Place(root=tmp_path)
    place.answer.write_text(json.dumps({"merged": None}))
    place.arrays.write_bytes(b"no zip")
    assert _answer(place, 0).startswith("numbers, and the child's can't be read")


def test_a_child_knows_no_secret(
    merge_of: MergeOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And, as the other tests prove in this process, computes the same."""
    from adapter_merge.encoders.child import _environment

    for name in ("HF_TOKEN", "HTTPS_PROXY", "HF_HOME", "HOME"):
        monkeypatch.setenv(name, "secret")
    given = _environment(tmp_path, "cpu")
    assert "secret" not in given.values()
    assert given["HF_HUB_OFFLINE"] == "1"
    assert set(_environment(tmp_path, "cuda")) >= set(given)
    found = ran(merge_of("causal"), start=run_child)
    assert {f.outcome for f in judged(found).values()} == {"pass"}
    assert found.peak_rss_bytes > 1e8
    assert set(found.seconds) == {"import", "reference", "merged"}


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA here")
@pytest.mark.parametrize("kind", ["causal", "sentence", "native-colpali"])
def test_a_gpu_proves_the_same(merge_of: MergeOf, kind: str) -> None:
    found = ran(merge_of(kind), device="cuda", start=run_child)
    assert {f.outcome for f in judged(found).values()} == {"pass"}
