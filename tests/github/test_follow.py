from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from adapter_merge import assemble
from adapter_merge.forecast import Forecast, Room
from adapter_merge.github.follow import plan_lines
from adapter_merge.github.summary import Told, summary
from tests.build import make_case

FORECAST = Forecast(memory_bytes=1, needed_bytes=7_000_000, free_bytes=8_000_000, seconds=2)
CACHE = Room(needed_bytes=5_000_000, free_bytes=9_000_000)


def test_the_disk_of_the_cache_is_told_where_it_is_another(tmp_path: Path) -> None:
    plan = assemble.plan(make_case(tmp_path).request())
    same = "\n".join((*plan_lines(plan, FORECAST), summary(Told(plan=(plan, FORECAST)))))
    assert "cache's disk" not in same
    assert "Hub's cache" not in same
    other = replace(FORECAST, cache=CACHE)
    assert "needs 5.0 MB on the disk of the Hub's cache, has 9.0 MB" in plan_lines(plan, other)
    assert "| cache's disk | 5.0 MB needed, 9.0 MB free |" in summary(Told(plan=(plan, other)))
