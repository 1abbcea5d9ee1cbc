"""The modes of a result, and folders and files that are closed to a user."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.build import (
    Case,
    make_case,
)

NOBODY = 65534 if os.geteuid() == 0 else os.geteuid()


@contextmanager
def mask(bits: int) -> Iterator[None]:
    before = os.umask(bits)
    try:
        yield
    finally:
        os.umask(before)


def modes(folder: Path) -> tuple[set[int], set[int]]:
    """Modes of the files and of the folders below a folder, itself included."""
    paths = [folder, *folder.rglob("*")]
    files = {stat.S_IMODE(p.stat().st_mode) for p in paths if p.is_file()}
    return files, {stat.S_IMODE(p.stat().st_mode) for p in paths if p.is_dir()}


@pytest.fixture
def with_folders(tmp_path: Path) -> Case:
    """A base with a folder and with modes that no result should take over."""
    case = make_case(tmp_path)
    (case.base / "1_Pooling").mkdir(mode=0o700)
    (case.base / "1_Pooling" / "config.json").write_text("{}")
    modules = [{"idx": 1, "name": "1", "path": "1_Pooling", "type": "x.Pooling"}]
    (case.base / "modules.json").write_text(json.dumps(modules))
    for path, mode in zip(sorted(case.base.iterdir()), [0o700, 0o755, 0o600, 0o400], strict=False):
        path.chmod(mode)
    return case


@pytest.mark.parametrize("bits", [0o000, 0o022, 0o077, 0o027])
def test_a_result_has_the_modes_that_umask_gives(with_folders: Case, bits: int) -> None:
    case = with_folders
    with mask(bits):
        for dtype in ("keep", "bf16"):
            assert case.run(dtype=dtype).status == "merged"
            assert (case.to / "1_Pooling" / "config.json").exists()
            assert modes(case.to) == ({0o666 & ~bits}, {0o777 & ~bits})


@pytest.mark.parametrize("special", [stat.S_ISVTX, stat.S_ISGID], ids=["sticky", "setgid"])
def test_a_parent_with_a_special_mode(tmp_path: Path, special: int) -> None:
    case = make_case(tmp_path)
    parent = tmp_path / "shared"
    parent.mkdir()
    parent.chmod(0o777 | special)
    to = str(parent / "out")
    assert [case.run(to=to).status, case.run(to=to, dtype="bf16").status] == ["merged", "merged"]
    files, folders = modes(parent / "out")
    assert files == {0o644}
    assert folders == {0o755 | (special & stat.S_ISGID)}
    assert [p.name for p in parent.iterdir()] == ["out"]


# Root merges another case first, so that all is imported: its Python may be closed to other users.
_AS_NOBODY = """
import json, os, sys
from adapter_merge import assemble
from adapter_merge.errors import AdapterMergeError
from adapter_merge.request import Request

def request(adapter, base, to):
    return Request.model_validate({"adapters": (adapter,), "base": base, "to": to, "workers": 1})

first, *cases, user = json.load(sys.stdin)
assert assemble.run(request(*first)).status == "merged"
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
ends = []
for case in cases:
    try:
        planned = assemble.plan(request(*case)) and 0
    except AdapterMergeError as e:
        planned = e.exit_code
    report = assemble.run(request(*case))
    error = (report.error.code, report.error.message) if report.error else (0, report.status)
    ends.append([planned, *error])
json.dump(ends, sys.stdout)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that every user can reach, as pytest's own can't be; locks in it end with the test."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
        for parent, _, _ in os.walk(name):
            Path(parent).chmod(0o755)


def shared_case(home: Path, name: str) -> Case:
    """Sources that everybody can read, and a place where the user without rights may write."""
    made = make_case(home / name / "sources")
    for path in (*made.base.iterdir(), *made.adapter.iterdir()):
        path.chmod(0o644)
    (home / name / "mine").mkdir()
    os.chown(home / name / "mine", NOBODY, -1)
    return Case(base=made.base, adapter=made.adapter, to=home / name / "mine" / "out")


def as_nobody(home: Path, *cases: Case) -> list[tuple[int, int, str]]:
    """For a user without rights: how `plan` and `run` end, and what the run says."""
    first = make_case(home / "first")
    paths = [[str(p) for p in (c.adapter, c.base, c.to)] for c in (first, *cases)]
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY],
        input=json.dumps([*paths, NOBODY]).encode(),
        capture_output=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr.decode()
    return [(planned, code, message) for planned, code, message in json.loads(done.stdout)]


def test_sources_that_may_only_be_read(home: Path) -> None:
    case = shared_case(home, "case")
    for root in (case.base, case.adapter):
        for path in root.iterdir():
            path.chmod(0o444)
        root.chmod(0o555)
    assert as_nobody(home, case) == [(0, 0, "merged")]
    assert modes(case.to) == ({0o644}, {0o755})
    assert {p.stat().st_uid for p in case.to.rglob("*")} == {NOBODY}


def test_a_parent_that_may_not_be_written(home: Path) -> None:
    cases = []
    for mode in (0o555, 0o000, 0o311):
        case = shared_case(home, f"{mode:o}")
        closed = home / f"{mode:o}" / "closed"
        closed.mkdir()
        closed.chmod(mode)
        cases.append(Case(base=case.base, adapter=case.adapter, to=closed / "out"))
    for case, (planned, code, message) in zip(cases, as_nobody(home, *cases), strict=True):
        closed = case.to.parent
        assert planned in {0, 6}
        assert code == 6
        assert f"`{closed}" in message
        assert "can't be written: Permission denied" in message
        closed.chmod(0o700)
        assert list(closed.iterdir()) == []


LOCKED: Mapping[str, Callable[[Path], Path]] = {
    "weights": lambda root: next(root.glob("*.safetensors")),
    "config": lambda root: next(root.glob("*config.json")),
    "side file": lambda root: root / "chat_template.jinja",
    "folder": lambda root: root,
    "parent": lambda root: root.parent,
}


@pytest.mark.parametrize("kind", ["base", "adapter"])
def test_a_source_that_may_not_be_read(home: Path, kind: str) -> None:
    cases = []
    for name, find in LOCKED.items():
        case = shared_case(home, name)
        locked = find(getattr(case, kind))
        locked.touch()
        locked.chmod(0)
        cases.append(case)
    for name, (planned, code, message) in zip(LOCKED, as_nobody(home, *cases), strict=True):
        assert (planned, code) == (3, 3), name
        assert "can't be read" in message
