"""The forecast against what a real run takes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from adapter_merge import assemble
from adapter_merge.forecast import Cost
from adapter_merge.request import Request
from adapter_merge.stages.foresee import foresee
from tests.build import make_case
from tests.encoders.models import make

# In a process of its own: this one has held other things.
RUN = "import sys; from adapter_merge.cli.main import main; sys.exit(main(sys.argv[1:]))"


def test_memory_is_foreseen_roughly(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    request = case.request()
    _, forecast = assemble.dry_run(request)
    words = ["run", str(case.adapter), "--base", str(case.base), "--to", str(case.to), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], capture_output=True, check=True, text=True
    )
    measured = json.loads(done.stdout)["peak_rss_bytes"]
    # Builds of torch differ in what they hold.
    assert 0.6 < forecast.memory_bytes / measured < 1.5


def test_room_is_what_the_target_s_disk_has(tmp_path: Path) -> None:
    request = make_case(tmp_path).request(to=str(tmp_path / "not" / "there" / "yet"))
    plan, forecast = assemble.dry_run(request)
    assert forecast.needed_bytes == plan.size + (16 << 20)
    assert abs(forecast.free_bytes - shutil.disk_usage(tmp_path).free) < 1e9


def test_a_bundle_asks_for_peft(tmp_path: Path) -> None:
    """Its check builds the model's class and puts the adapter on it."""
    request = make_case(tmp_path).request(layout="merged")
    _, merged = assemble.dry_run(request)
    request = request.model_copy(update={"layout": "bundled"})
    _, bundled = assemble.dry_run(request)
    assert bundled.memory_bytes > merged.memory_bytes
    assert bundled.seconds > merged.seconds


def test_running_models_is_foreseen_beside_the_merge(tmp_path: Path) -> None:
    request = make_case(tmp_path).request()
    plan = assemble.plan(request)
    alone = foresee(plan, workers=1, free_bytes=0)
    both = foresee(
        plan, workers=1, free_bytes=0, proof=Cost(seconds=40, memory_bytes=3_000_000_000)
    )
    assert (alone.proof_seconds, both.proof_seconds) == (0, 40)
    assert both.seconds == alone.seconds + 40
    assert 3e9 < both.memory_bytes < 3e9 + alone.memory_bytes


def test_no_models_are_foreseen_where_none_run(tmp_path: Path) -> None:
    """The base has no tokenizer, and `--probe off` wants none."""
    for probe in ("auto", "off"):
        request = make_case(tmp_path / probe).request(probe=probe)
        assert assemble.dry_run(request)[1].proof_seconds == 0


def test_what_a_real_model_takes_to_run_is_foreseen(tmp_path: Path) -> None:
    base, adapter = make("causal", tmp_path)
    given = {"base": str(base), "adapters": (str(adapter),), "to": str(tmp_path / "out")}
    for probe, runs in (("auto", True), ("off", False)):
        request = Request.model_validate({**given, "probe": probe})
        _, found = assemble.dry_run(request)
        assert (found.proof_seconds > 0) is runs
