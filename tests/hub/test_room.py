"""What a plan of ids says of disks: what is pulled and the result, on one disk or on two."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from adapter_merge import assemble, pipeline
from adapter_merge.forecast import Forecast, Room
from adapter_merge.plan import Plan
from adapter_merge.request import Request
from adapter_merge.stages.pull import pull_sizes
from adapter_merge.stages.resolve import resolve
from adapter_merge.work import SPARE
from tests.bases.online import Online, online

__all__ = ["online"]
FREE = {1: 70_000_000, 2: 40_000_000}


def planned(online: Online, *, disk_of_cache: int) -> tuple[Plan, Forecast, int]:
    around = online.around()
    request = Request.model_validate({"adapters": ("bot/adapter",), "to": "./out", "probe": "off"})
    sources = resolve(request, verb="plan", around=around)
    plan = pipeline.drafted(request, sources)

    def disk(folder: Path) -> int:
        return disk_of_cache if folder == around.cache else 1

    machine = replace(
        assemble.this_machine(), around=around, disk=disk, free=lambda f: FREE[disk(f)]
    )
    found = pipeline.forecast(request, sources, plan, machine=machine)
    return plan, found, pull_sizes(plan, sources)[0]


@pytest.fixture
def stocked(online: Online) -> Online:
    online.base("org/base")
    online.adapter("bot/adapter", "org/base")
    return online


def test_one_disk_needs_room_for_what_is_pulled_and_for_the_result(stocked: Online) -> None:
    plan, found, pulled = planned(stocked, disk_of_cache=1)
    assert pulled > 1000
    assert found.needed_bytes == plan.size + pulled + SPARE
    assert (found.free_bytes, found.cache) == (FREE[1], None)


def test_two_disks_need_room_each(stocked: Online) -> None:
    plan, found, pulled = planned(stocked, disk_of_cache=2)
    assert found.needed_bytes == plan.size + SPARE
    assert found.free_bytes == FREE[1]
    assert found.cache == Room(needed_bytes=pulled, free_bytes=FREE[2])


def test_what_is_here_needs_no_room_again(stocked: Online) -> None:
    _, first, pulled = planned(stocked, disk_of_cache=1)
    sources = stocked.resolve("bot/adapter", to="./out")
    (adapter,) = sources.adapters
    for pinned, files in (
        (sources.base.pinned, sources.base.files),
        (adapter.pinned, adapter.files),
    ):
        assert pinned.have is not None
        pinned.have(list(files), None)
    _, second, left = planned(stocked, disk_of_cache=1)
    assert left == 0
    assert first.needed_bytes - second.needed_bytes == pulled
    assert planned(stocked, disk_of_cache=2)[1].cache is None


def test_what_lies_here_for_another_commit_needs_no_room_again(stocked: Online) -> None:
    _, _, pulled = planned(stocked, disk_of_cache=1)
    base = stocked.resolve("bot/adapter", to="./out").base
    assert base.pinned.have is not None
    base.pinned.have(list(base.files), None)
    more = stocked.place / "more.bin"
    more.write_bytes(b"x")
    sha256 = hashlib.sha256(b"x").hexdigest()
    moved = stocked.hub.add_file("org/base", more.name, more, sha256=sha256)
    _, _, left = planned(stocked, disk_of_cache=1)
    assert stocked.resolve("bot/adapter", to="./out").base.pinned.commit == moved
    assert left == pulled - sum(
        f.size for f in base.files.values() if f.path.endswith("safetensors")
    )


def test_a_real_disk_is_told_from_another(tmp_path: Path) -> None:
    disk = assemble.this_machine().disk
    assert disk(tmp_path / "not" / "there") == disk(tmp_path) == tmp_path.stat().st_dev
    other = Path("/proc")
    if other.exists():
        assert disk(other) != disk(tmp_path)
