"""Targets that are mount points: filled in place, and finished by the next run where one was killed."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapter_merge import assemble, volumes
from adapter_merge.receipt import RECEIPT_NAME
from adapter_merge.volumes import is_mount_point
from tests.build import Case, contents, make_case


def _mount(*words: str) -> None:
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, *words], check=False, capture_output=True).returncode
    ):
        pytest.skip("no file system can be mounted here: it needs root")


@contextmanager
def _mounted(at: Path, kind: str) -> Iterator[None]:
    """A file system of its own, or a folder of the same one, as a container gets it."""
    at.mkdir()
    if kind == "tmpfs":
        _mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(at))
    else:
        (at.parent / "volume of it").mkdir()
        _mount("--bind", str(at.parent / "volume of it"), str(at))
    try:
        yield
    finally:
        subprocess.run(["umount", str(at)], check=True)  # noqa: S607 - whichever the system has


@pytest.fixture(params=["tmpfs", "bind"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    made = make_case(tmp_path)
    with _mounted(made.to, request.param):
        assert is_mount_point(made.to)
        yield made


def test_a_mount_point_is_told_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    assert not is_mount_point(tmp_path / "a b")
    assert not is_mount_point(tmp_path / "gone")
    (tmp_path / "c d").mkdir()
    _mount("--bind", str(tmp_path / "a b"), str(tmp_path / "c d"))
    try:
        assert is_mount_point(tmp_path / "c d")
    finally:
        subprocess.run(["umount", str(tmp_path / "c d")], check=True)  # noqa: S607


def test_a_result_fills_a_mount_point_and_replaces_an_older_one(case: Case) -> None:
    assert [case.run().status, case.run().status] == ["merged", "unchanged"]
    before = contents(case.to)
    assert case.run(dtype="bf16").status == "merged"
    assert case.receipt().recipe == assemble.plan(case.request(dtype="bf16")).recipe
    assert contents(case.to).keys() == before.keys()
    assert not [p.name for p in case.to.iterdir() if p.name.startswith(".")]
    assert sorted(p.name for p in case.to.parent.iterdir() if "adapter-merge" in p.name) == []


def test_files_that_the_new_result_lacks_go(case: Case) -> None:
    assert case.run(max_shard_size="1KB").status == "merged"
    assert len(list(case.to.glob("*.safetensors"))) > 1
    assert case.run().status == "merged"
    assert set(case.receipt().files) <= contents(case.to).keys()
    assert len(list(case.to.glob("*.safetensors"))) == 1


def test_a_file_of_somebody_else_stops_the_run_and_stays(case: Case) -> None:
    (case.to / "notes.txt").write_text("mine")
    report = case.run()
    assert report.error is not None
    assert report.error.type == "TargetNotOurs"
    assert contents(case.to) == {"notes.txt": b"mine"}


def test_what_a_file_system_or_a_file_manager_puts_there_counts_for_nothing(case: Case) -> None:
    (case.to / "lost+found").mkdir()
    (case.to / ".DS_Store").write_text("")
    (case.to / ".nfs0001").write_text("")
    assert [case.run().status, case.run().status] == ["merged", "unchanged"]
    assert (case.to / "lost+found").is_dir()


@pytest.mark.parametrize("moves", range(5))
def test_the_next_run_finishes_what_broke_off(
    case: Case, moves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure before each move leaves no receipt, and all files of the result."""
    assert case.run(max_shard_size="1KB").status == "merged"
    rename = volumes._rename
    done: list[str] = []

    def fail(work: Path, target: Path, path: str) -> None:
        if len(done) == moves:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        done.append(path)
        rename(work, target, path)

    with monkeypatch.context() as patched:
        patched.setattr(volumes, "_rename", fail)
        report = case.run(dtype="bf16")
    if report.error is None:  # all were moved
        assert moves > len(case.receipt().files)
        return
    assert "The same command finishes" in report.error.hint
    assert not (case.to / RECEIPT_NAME).exists()
    assert case.run(dtype="bf16").status == "unchanged"
    assert case.receipt().recipe == assemble.plan(case.request(dtype="bf16")).recipe
    assert not list(case.to.glob(".adapter-merge*"))


def test_a_result_that_cannot_be_put_in_its_place_is_kept_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make_case(tmp_path)

    def refuse(*_: object) -> bool:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    with monkeypatch.context() as patched:
        patched.setattr("adapter_merge.work._swap", refuse)
        report = case.run()
    assert report.error is not None
    (kept,) = tmp_path.glob("*.finished-*")
    assert f"`{kept}`" in report.error.hint
    assert (kept / RECEIPT_NAME).exists()
