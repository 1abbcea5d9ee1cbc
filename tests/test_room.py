"""A place or a disk that can't take the result stops a run before anything is pulled for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.publisher import Publisher, failed
from tests.test_disks import disk_with


@pytest.fixture
def cache(publisher: Publisher) -> Path:
    cache = publisher.machine().around.cache
    assert cache is not None
    return cache


def refused(publisher: Publisher, cache: Path, free: int = 10**12, **wish: Any) -> tuple[str, ...]:
    """The error of a run on a machine with so much room, which has pulled no weights and made no folder."""
    standing = set(publisher.work.parent.rglob("*"))
    machine = replace(publisher.machine(), free=lambda _: free)
    kind, code, *words = failed(publisher(machine, **wish))
    assert code == 6
    assert list(cache.rglob("*.safetensors")) == []
    new = set(publisher.work.parent.rglob("*")) - standing
    assert [p for p in new if not p.is_relative_to(cache) and "hub" not in p.parts] == []
    return kind, *words


@pytest.mark.parametrize("where", ["folder", "hub"])
def test_a_disk_without_room_for_the_result(
    publisher: Publisher, cache: Path, tmp_path: Path, where: str
) -> None:
    wish = {"to": str(tmp_path / "out")} if where == "folder" else {}
    kind, message, hint = refused(publisher, cache, 2_000_000, **wish)
    assert kind == "DiskFull"
    at = tmp_path if where == "folder" else publisher.work
    assert message == (
        f"the result needs 16.8 MB, 6.1 kB of them for what is downloaded, but `{at}` has 2.0 MB free"
    )
    assert ("`--work-dir`" in hint, "`--to`" in hint) == (where == "hub", where == "folder")


def test_a_disk_without_room_for_what_is_pulled(publisher: Publisher, cache: Path) -> None:
    machine = publisher.machine()
    two = replace(
        machine,
        disk=lambda folder: int(folder == cache),
        free=lambda folder: 1000 if folder == cache else 10**12,
    )
    kind, code, message, hint = failed(publisher(two))
    assert (kind, code) == ("DiskFull", 6)
    assert f"are to be downloaded to `{cache}`, where 1.0 kB are free" in message
    assert "`HF_HOME`" in hint
    assert list(cache.rglob("*.safetensors")) == []


def a_file(at: Path) -> Path:
    at.parent.mkdir()
    at.write_text("mine")
    return at


def below_a_file(at: Path) -> Path:
    at.parent.write_text("mine")
    return at.parent


@pytest.mark.parametrize("plant", [a_file, below_a_file])
def test_a_work_folder_that_is_none(
    publisher: Publisher, cache: Path, tmp_path: Path, plant: Callable[[Path], Path]
) -> None:
    place = tmp_path / "of" / "work"
    file = plant(place)
    kind, message, hint = refused(publisher, cache, work_dir=place)
    assert (kind, message) == ("MergeError", f"`{file}` can't be written: Not a directory")
    assert "`--work-dir`" in hint


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    with disk_with(tmp_path / "disk", "ro"):
        yield tmp_path / "disk"


def test_a_work_folder_on_a_disk_that_is_read_only(
    publisher: Publisher, cache: Path, closed: Path
) -> None:
    kind, message, _ = refused(publisher, cache, work_dir=closed / "work")
    assert (kind, message) == (
        "MergeError",
        f"`{closed}` can't be written: Read-only file system",
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_work_folder_that_is_closed(publisher: Publisher, cache: Path, tmp_path: Path) -> None:
    place = tmp_path / "closed"
    place.mkdir(mode=0o500)
    _, message, _ = refused(publisher, cache, work_dir=place)
    assert message == f"`{place}` can't be written: Permission denied"


def test_a_folder_that_is_still_to_be_made_will_do(publisher: Publisher, tmp_path: Path) -> None:
    assert publisher(work_dir=tmp_path / "not" / "there").status == "merged"
