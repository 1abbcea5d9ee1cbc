"""The work folder: made, held, cleaned up, put in its place.

What befalls whole runs is in `test_kills.py`, `test_disks.py` and `test_rights.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from adapter_merge import assemble
from adapter_merge.errors import DiskFull, MergeError
from adapter_merge.work import _swap, keep_aside, put_in_place, recover, sweep, work_folder
from tests.build import contents, debris, make_case


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out"


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


@pytest.mark.parametrize("can_swap", [True, False])
def test_an_exchange_needs_no_system_call_of_its_own(
    target: Path, monkeypatch: pytest.MonkeyPatch, can_swap: bool
) -> None:
    if not can_swap:
        monkeypatch.setattr("adapter_merge.work._swap", lambda _one, _other: False)
    for name in ("old", "new"):
        with work_folder(target, size=0) as work:
            (work.path / name).write_text("")
            put_in_place(work, tuple)
        assert list(contents(target)) == [name]
        assert debris(target.parent) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges folders in one step")
def test_the_target_is_there_at_every_moment_of_an_exchange(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("")
    assert _swap(tmp_path / "one", tmp_path / "other")
    assert list(contents(tmp_path)) == ["one/other", "other/one"]
    assert not _swap(tmp_path / "one", tmp_path / "gone")


def test_debris_goes_and_what_only_looks_like_it_stays(target: Path) -> None:
    target.mkdir()
    (target.parent / ".out.card-01234567").write_text("half a card")
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
            put_in_place(work, tuple)
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
    assert case.receipt().recipe == assemble.plan(case.request(dtype="bf16")).recipe


def test_a_second_run_on_a_target_says_so(target: Path) -> None:
    with work_folder(target, size=0) as first:
        with pytest.raises(MergeError, match="another run is writing"), work_folder(target, size=0):
            pass
        assert first.path.is_dir()
    assert debris(target.parent) == []


def test_room_is_asked_for_before_the_first_byte(target: Path) -> None:
    with pytest.raises(DiskFull, match="GB free"), work_folder(target, size=10**18):
        pass
    assert list(target.parent.iterdir()) == []


def test_the_new_folder_takes_the_place_of_the_old(target: Path) -> None:
    target.mkdir()
    (target / "old").write_text("")
    with work_folder(target, size=0) as work:
        (work.path / "new").write_text("")
        put_in_place(work, tuple)
    assert contents(target) == {"new": b""}
    assert debris(target.parent) == []


@pytest.mark.parametrize("before", [False, True], ids=["nothing", "an old result"])
def test_a_file_that_comes_before_the_swap_stops_it_and_stays(
    tmp_path: Path, before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make_case(tmp_path)
    if before:
        assert case.run().status == "merged"

    def write_meanwhile(_root: Path) -> None:
        case.to.mkdir(exist_ok=True)
        (case.to / "notes.txt").write_text("mine")

    monkeypatch.setattr("adapter_merge.work.sync_tree", write_meanwhile)
    report = case.run(dtype="bf16")
    assert report.error is not None
    assert report.error.type == "TargetNotOurs"
    assert (case.to / "notes.txt").read_text() == "mine"
    assert (case.to / "merge_receipt.json").exists() is before


def test_a_failed_folder_can_be_kept(target: Path) -> None:
    with work_folder(target, size=0) as work:
        (work.path / "file").write_text("")
        kept = keep_aside(work)
    assert contents(kept) == {"file": b""}
    recover(target)
    assert kept.is_dir()


def test_a_sweep_takes_what_no_run_holds_and_nothing_else(tmp_path: Path) -> None:
    stays = ("one", ".one.old-01234567", ".one.adapter-merge-0123", "two.failed-01234567")
    for name in (*stays, ".one.adapter-merge-01234567", ".two.adapter-merge-89abcdef"):
        (tmp_path / name).mkdir()
    (tmp_path / ".file.adapter-merge-01234567").touch()
    with work_folder(tmp_path / "held", size=0) as held:
        sweep(tmp_path)
        left = {p.name for p in tmp_path.iterdir()}
    assert left == {*stays, ".file.adapter-merge-01234567", held.path.name}
    sweep(tmp_path / "none")
