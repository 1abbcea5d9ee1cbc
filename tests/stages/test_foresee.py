"""The forecast against what a real run takes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from adapter_merge import assemble
from tests.build import make_case

# In a process of its own: this one has held other things.
RUN = "import sys; from adapter_merge.cli.main import main; sys.exit(main(sys.argv[1:]))"


def test_memory_is_foreseen_roughly(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    request = case.request()
    forecast = assemble.forecast(request, assemble.plan(request))
    words = ["run", str(case.adapter), "--base", str(case.base), "--to", str(case.to), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], capture_output=True, check=True, text=True
    )
    measured = json.loads(done.stdout)["peak_rss_bytes"]
    # Builds of torch differ in what they hold.
    assert 0.6 < forecast.memory_bytes / measured < 1.5


def test_room_is_what_the_target_s_disk_has(tmp_path: Path) -> None:
    request = make_case(tmp_path).request(to=str(tmp_path / "not" / "there" / "yet"))
    plan = assemble.plan(request)
    forecast = assemble.forecast(request, plan)
    assert forecast.needed_bytes == plan.size + (16 << 20)
    assert abs(forecast.free_bytes - shutil.disk_usage(tmp_path).free) < 1e9


def test_a_bundle_asks_for_peft(tmp_path: Path) -> None:
    """Its check builds the model's class and puts the adapter on it."""
    request = make_case(tmp_path).request(layout="merged")
    merged = assemble.forecast(request, assemble.plan(request))
    request = request.model_copy(update={"layout": "bundled"})
    bundled = assemble.forecast(request, assemble.plan(request))
    assert bundled.memory_bytes > merged.memory_bytes
    assert bundled.seconds > merged.seconds
