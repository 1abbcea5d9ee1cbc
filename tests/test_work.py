"""What the machine can do to a run: kills, full disks, other runs, and folders that can't be written."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from adapter_merge import assemble
from adapter_merge.errors import DiskFull, MergeError
from adapter_merge.request import RepoRef
from adapter_merge.work import keep_aside, put_in_place, recover, work_folder
from tests.build import (
    PREFIX,
    UP,
    Case,
    change_json,
    contents,
    debris,
    make_case,
    write_adapter,
    write_base,
)

KILLS = 12


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out"


def command(case: Case) -> list[str]:
    program = [sys.executable, "-m", "adapter_merge", "run", str(case.adapter)]
    return [*program, "--base", str(case.base), "--to", str(case.to), "--json", "--workers", "2"]


def large_case(root: Path) -> Case:
    """A base of 64 MB whose largest tensor is edited: a kill can land in every stage."""
    values = np.random.default_rng(0)
    tensors = {
        f"{UP}.weight": values.standard_normal((4096, 2048), dtype=np.float32),
        "model.embed_tokens.weight": values.standard_normal((4096, 2048), dtype=np.float32),
    }
    factors = {
        f"{PREFIX}{UP}.lora_A.weight": values.standard_normal((4, 2048), dtype=np.float32),
        f"{PREFIX}{UP}.lora_B.weight": values.standard_normal((4096, 4), dtype=np.float32),
    }
    sizes = {"vocab_size": 4096, "hidden_size": 2048}
    return Case(
        base=write_base(root / "base", tensors, **sizes),
        adapter=write_adapter(root / "adapter", factors),
        to=root / "out",
    )


def verified(case: Case) -> str:
    """The recipe of the target, once all its files equal the receipt."""
    report = assemble.verify(RepoRef.model_validate(str(case.to)))
    assert report.error is None, report.error
    assert report.recipe is not None
    return report.recipe


def test_a_kill_at_any_moment_leaves_the_old_target_or_the_new_one(tmp_path: Path) -> None:
    case = large_case(tmp_path)
    start = time.monotonic()
    subprocess.run(command(case), check=True, capture_output=True)
    whole = time.monotonic() - start
    recipes = {verified(case)}
    moments = random.Random(4)  # noqa: S311 - moments, not secrets
    landed = set()
    for alpha in range(KILLS):
        change_json(case.adapter / "adapter_config.json", lora_alpha=20 + alpha)
        wanted = assemble.plan(case.request()).recipe
        process = subprocess.Popen(
            command(case), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        # torch takes most of the time; half of the kills fall into what comes after it.
        share = moments.uniform(0, 1) if alpha % 2 else moments.uniform(0.6, 1)
        time.sleep(share * whole)
        process.kill()
        process.wait()
        now = verified(case)
        assert now in recipes | {wanted}
        landed.add((bool(debris(tmp_path)), now == wanted))
        recipes.add(now)
    assert len(landed) > 1, "all kills landed at the same moment: the test shows nothing"
    assert case.run().error is None
    assert debris(tmp_path) == []
    assert verified(case) == assemble.plan(case.request()).recipe


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    case = large_case(tmp_path)
    process = subprocess.Popen(command(case), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while process.poll() is None and not debris(tmp_path):
        time.sleep(0.002)
    process.send_signal(number)
    output = process.communicate()[0]
    assert process.returncode == 130
    assert json.loads(output)["error"]["type"] == "Interrupted"
    assert not case.to.exists()
    assert debris(tmp_path) == []


def test_an_old_target_is_put_back(target: Path) -> None:
    aside = target.parent / ".out.old-01234567"
    aside.mkdir()
    (aside / "file").write_text("old")
    recover(target)
    assert (target / "file").read_text() == "old"
    assert debris(target.parent) == []


def test_a_run_begins_with_what_a_killed_one_left_aside(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    assert case.run().status == "merged"
    case.to.rename(tmp_path / ".out.old-01234567")
    (tmp_path / ".out.adapter-merge-01234567").mkdir()
    assert case.run().status == "unchanged"
    assert debris(tmp_path) == []


def test_debris_goes_and_what_only_looks_like_it_stays(target: Path) -> None:
    target.mkdir()
    for name in (
        ".out.adapter-merge-01234567",
        ".out.old-01234567",
        ".out.old-mine",
        ".out2.old-0",
    ):
        (target.parent / name).mkdir()
    recover(target)
    assert {p.name for p in target.parent.iterdir()} == {"out", ".out.old-mine", ".out2.old-0"}


@pytest.mark.parametrize("name", ["model[1]", "a*", "x.old-1", "größer"])
def test_debris_is_found_by_the_whole_name_of_its_target(tmp_path: Path, name: str) -> None:
    (tmp_path / f".{name}.adapter-merge-01234567").mkdir()
    (tmp_path / f".{name}.old-01234567").mkdir()
    recover(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_the_work_folder_of_a_target_with_a_longer_name_stays(tmp_path: Path) -> None:
    with work_folder(tmp_path / "a.old-01234567", size=0) as work:
        recover(tmp_path / "a")
        assert work.path.is_dir()


def test_an_exchange_that_fails_puts_the_old_target_back(target: Path) -> None:
    target.mkdir()
    (target / "old").write_text("")
    with work_folder(target, size=0) as work:
        work.path.rmdir()
        with pytest.raises(MergeError, match="can't be written"):
            put_in_place(work)
    assert contents(target) == {"old": b""}
    assert debris(target.parent) == []


@pytest.mark.parametrize("exists", [True, False])
def test_a_target_that_is_a_link_is_filled_where_it_leads(tmp_path: Path, exists: bool) -> None:
    case = make_case(tmp_path)
    real = tmp_path / "disk" / "real"
    (real if exists else real.parent).mkdir(parents=True)
    case.to.symlink_to(real)
    assert [case.run().status, case.run().status] == ["merged", "unchanged"]
    assert case.run(dtype="bf16").status == "merged"
    assert case.to.is_symlink()
    assert [p.name for p in real.parent.iterdir()] == ["real"]
    assert verified(case) == assemble.plan(case.request(dtype="bf16")).recipe


def test_a_second_run_on_a_target_says_so(target: Path) -> None:
    with work_folder(target, size=0) as first:
        with pytest.raises(MergeError, match="another run is writing"), work_folder(target, size=0):
            pass
        assert first.path.is_dir()
    assert debris(target.parent) == []


def test_a_second_run_ends_with_6_while_the_first_goes_on(tmp_path: Path) -> None:
    case = large_case(tmp_path)
    process = subprocess.Popen(command(case), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while process.poll() is None and not debris(tmp_path):
        time.sleep(0.002)
    error = case.run().error
    output = process.communicate()[0]
    assert error is not None
    assert (error.type, error.code) == ("MergeError", 6)
    assert "another run" in error.message
    assert json.loads(output)["status"] == "merged"


def test_room_is_asked_for_before_the_first_byte(target: Path) -> None:
    with pytest.raises(DiskFull, match="GB free"), work_folder(target, size=10**18):
        pass
    assert list(target.parent.iterdir()) == []


def test_the_new_folder_takes_the_place_of_the_old(target: Path) -> None:
    target.mkdir()
    (target / "old").write_text("")
    with work_folder(target, size=0) as work:
        (work.path / "new").write_text("")
        put_in_place(work)
    assert contents(target) == {"new": b""}
    assert debris(target.parent) == []


def test_a_failed_folder_can_be_kept(target: Path) -> None:
    with work_folder(target, size=0) as work:
        (work.path / "file").write_text("")
        kept = keep_aside(work)
    assert contents(kept) == {"file": b""}
    recover(target)
    assert kept.is_dir()


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    case = large_case(tmp_path)
    limit = 1 << 20

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(command(case), capture_output=True, check=False, preexec_fn=bound)
    assert done.returncode == 6
    assert json.loads(done.stdout)["error"]["type"] == "DiskFull"
    assert not case.to.exists()
    assert debris(tmp_path) == []


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


def test_a_read_only_disk(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    with disk_with(tmp_path / "disk", "ro"):
        error = case.run(to=str(tmp_path / "disk" / "out")).error
    assert error is not None
    assert (error.type, error.code) == ("MergeError", 6)
    assert "Read-only" in error.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    error = case.run(to=str(closed / "out")).error
    assert error is not None
    assert (error.type, error.code) == ("MergeError", 6)


@pytest.mark.parametrize("free", [8 << 20, 70 << 20, 84 << 20])
def test_a_disk_that_is_too_small(tmp_path: Path, free: int) -> None:
    # The result needs 64 MiB and 16 MiB to spare; the last disk holds that, until another file takes it.
    case = large_case(tmp_path)
    disk = tmp_path / "disk"
    with disk_with(disk, f"size={free}"):
        if free > 80 << 20:
            (disk / "other").write_bytes(bytes(8 << 20))
        error = case.run(to=str(disk / "out")).error
        assert error is not None
        assert (error.type, error.code) == ("DiskFull", 6)
        assert [p.name for p in disk.iterdir() if p.name != "other"] == []
