"""Disks that are full, fill on the way, or can't be written."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from adapter_merge import assemble, work
from tests.build import (
    PREFIX,
    Case,
    change_json,
    contents,
    make_case,
    shard,
    write_adapter,
    write_base,
)
from tests.machine import command, large_case, refused, verified


@contextmanager
def disk_with(at: Path, option: str) -> Iterator[None]:
    """A file system in memory; skips the test where none can be mounted."""
    at.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if mount is None or unmount is None:
        pytest.skip("there is no `mount` here")
    words = ["-t", "tmpfs", "-o", option, "tmpfs", str(at)]
    if subprocess.run([mount, *words], check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here: it needs root")
    try:
        yield
    finally:
        subprocess.run([unmount, str(at)], check=True)


@pytest.fixture
def sharded(tmp_path: Path) -> Case:
    """A base in eight files of some kilobytes each, so that a disk can fill between them."""
    names = [f"layer.{n}.weight" for n in range(8)]
    values = np.random.default_rng(0)
    base = write_base(
        tmp_path / "base", {n: values.standard_normal((64, 64), dtype=np.float32) for n in names}
    )
    shard(base, {name: f"part-{n}.safetensors" for n, name in enumerate(names)})
    factors = {
        f"{PREFIX}layer.0.lora_{part}.weight": np.ones(shape, np.float32)
        for part, shape in {"A": (4, 64), "B": (64, 4)}.items()
    }
    adapter = write_adapter(tmp_path / "adapter", factors)
    return Case(base=base, adapter=adapter, to=tmp_path / "disk" / "out")


def taken(folder: Path) -> int:
    """Bytes of disk below a folder."""
    return sum(p.lstat().st_blocks for p in (folder, *folder.rglob("*"))) * 512


@pytest.mark.parametrize("old", [False, True], ids=["nothing", "an old result"])
def test_a_disk_that_fills_on_the_way(
    sharded: Case, monkeypatch: pytest.MonkeyPatch, old: bool
) -> None:
    case, disk = sharded, sharded.to.parent
    look = work._check_room
    with disk_with(disk, "size=64m"):
        assert case.run().status == "merged"
        whole = taken(case.to) + (16 << 10)
        stands = contents(case.to)
        if not old:
            shutil.rmtree(case.to)
        change_json(case.adapter / "adapter_config.json", lora_alpha=99)
        outcomes = []
        for tenth in range(11):
            # The run looks for room and finds it; then somebody else takes all but some tenths.
            def other_comes(folder: Path, size: int, left: int = whole * tenth // 10) -> None:
                look(folder, size)
                with (disk / "other").open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - left)

            monkeypatch.setattr(work, "_check_room", other_comes)
            report = case.run()
            (disk / "other").unlink()
            assert [p.name for p in disk.iterdir() if p != case.to] == []
            outcomes.append(report.status)
            if report.status == "merged":
                break
            refused(report.error, "DiskFull")
            assert (contents(case.to) if case.to.exists() else {}) == (stands if old else {})
        assert len(outcomes) > 8
        assert outcomes[-1] == "merged"
        assert verified(case) == assemble.plan(case.request()).recipe


@pytest.mark.parametrize("limit", [0, 100, 1000, 10_000, 20_000])
def test_a_file_that_may_not_grow(sharded: Case, limit: int) -> None:
    sharded.to.parent.mkdir()

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(command(sharded), capture_output=True, check=False, preexec_fn=bound)
    report = json.loads(done.stdout)
    if report["status"] == "merged":
        assert max(p.stat().st_size for p in sharded.to.iterdir()) <= limit
        return
    assert done.returncode == 6
    assert report["error"]["type"] == "DiskFull"
    assert list(sharded.to.parent.iterdir()) == []


def test_a_read_only_disk(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    with disk_with(tmp_path / "disk", "ro"):
        error = case.run(to=str(tmp_path / "disk" / "out")).error
    assert "Read-only" in refused(error)


@pytest.mark.parametrize("free", [8 << 20, 70 << 20, 84 << 20])
def test_a_disk_that_is_too_small(tmp_path: Path, free: int) -> None:
    # The result needs 64 MiB and 16 MiB to spare; the last disk holds that, until another file takes it.
    case = large_case(tmp_path)
    disk = tmp_path / "disk"
    with disk_with(disk, f"size={free}"):
        if free > 80 << 20:
            (disk / "other").write_bytes(bytes(8 << 20))
        refused(case.run(to=str(disk / "out")).error, "DiskFull")
        assert [p.name for p in disk.iterdir() if p.name != "other"] == []
