"""What a machine does to whole runs: kills, full disks, other runs, clocks that jump, and rights."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from adapter_merge import assemble, work
from adapter_merge.plan import Plan
from adapter_merge.ports import Silent
from adapter_merge.report import ErrorRecord
from adapter_merge.request import RepoRef
from tests.build import (
    PREFIX,
    UP,
    Case,
    change_json,
    contents,
    debris,
    make_case,
    shard,
    write_adapter,
    write_base,
)

KILLS_OF_THE_COMMAND = 10
KILLS_WITHOUT_IMPORTS = 40
NOBODY = 65534 if os.geteuid() == 0 else os.geteuid()


def command(case: Case) -> list[str]:
    return [sys.executable, "-m", "adapter_merge", *arguments(case)]


def arguments(case: Case) -> list[str]:
    words = ["run", str(case.adapter), "--base", str(case.base), "--to", str(case.to)]
    return [*words, "--json", "--workers", "2"]


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


def refused(error: ErrorRecord | None, kind: str = "MergeError") -> str:
    """The message of an error with exit code 6."""
    assert error is not None
    assert (error.type, error.code) == (kind, 6)
    return error.message


# One run a line: its arguments, and the seconds after which it is killed. What takes a run's first
# seconds, the imports, is there already, so that every kill meets the merge itself.
_FORKS = """
import json, os, signal, sys, time
import torch
from adapter_merge import assemble
from adapter_merge.cli.main import main
for line in sys.stdin:
    words, seconds = json.loads(line)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(main(words))
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forks:
    """Runs that share their imports; `run` gives the exit code, or minus the signal."""

    def __init__(self, ins: IO[str], outs: IO[str]) -> None:
        self._ins, self._outs = ins, outs

    def run(self, case: Case, kill_after: float | None = None) -> int:
        self._ins.write(json.dumps([arguments(case), kill_after]) + "\n")
        self._ins.flush()
        return int(self._outs.readline())


@pytest.fixture
def forks() -> Iterator[Forks]:
    with subprocess.Popen(
        [sys.executable, "-c", _FORKS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Forks(process.stdin, process.stdout)
        process.stdin.close()


class Landings:
    """What kills left: the target must always be one that a run made whole."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.recipes = {verified(case)}
        self.seen: set[tuple[bool, bool]] = set()

    def change(self, alpha: int) -> None:
        """Ask for another result than the one that stands."""
        change_json(self.case.adapter / "adapter_config.json", lora_alpha=alpha)

    def look(self) -> None:
        wanted = assemble.plan(self.case.request()).recipe
        now = verified(self.case)
        assert now in self.recipes | {wanted}
        self.seen.add((bool(debris(self.case.to.parent)), now == wanted))
        self.recipes.add(now)


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_the_old_target_or_the_new_one(
    tmp_path: Path, forks: Forks
) -> None:
    case = large_case(tmp_path)
    moments = random.Random(4)  # noqa: S311 - moments, not secrets
    start = time.monotonic()
    subprocess.run(command(case), check=True, capture_output=True)
    whole = time.monotonic() - start
    landings = Landings(case)
    for alpha in range(KILLS_OF_THE_COMMAND):
        landings.change(20 + alpha)
        process = subprocess.Popen(
            command(case), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(moments.uniform(0, whole))
        process.kill()
        process.wait()
        landings.look()
    whole = 0.0
    for alpha in (98, 99):  # the first waits for the imports
        landings.change(alpha)
        start = time.monotonic()
        assert forks.run(case) == 0
        whole = time.monotonic() - start
        landings.look()
    for alpha in range(KILLS_WITHOUT_IMPORTS):
        landings.change(100 + alpha)
        forks.run(case, kill_after=moments.uniform(0, 1.1 * whole))
        landings.look()
    assert landings.seen >= {(True, False), (False, True)}, "the kills missed the merge"
    assert forks.run(case) == 0
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


@pytest.mark.parametrize("share", [0, 0.2, 0.4, 0.6, 0.8])
def test_a_second_run_ends_with_6_while_the_first_goes_on(
    tmp_path: Path, forks: Forks, share: float
) -> None:
    case = large_case(tmp_path)
    whole = 0.0
    for alpha in (98, 99):  # the first waits for the imports
        change_json(case.adapter / "adapter_config.json", lora_alpha=alpha)
        start = time.monotonic()
        assert forks.run(case) == 0
        whole = time.monotonic() - start
    change_json(case.adapter / "adapter_config.json", lora_alpha=100)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(forks.run, case)
        while not debris(tmp_path):
            time.sleep(0.001)
        time.sleep(share * whole)
        held = debris(tmp_path)
        report = case.run()
        held = held and debris(tmp_path)
        assert first.result() == 0
    assert held or share > 0, "the first run was over before the second began"
    if held or report.error is not None:
        assert "another run" in refused(report.error)
    else:
        assert report.status == "unchanged"
    assert debris(tmp_path) == []
    assert verified(case) == assemble.plan(case.request()).recipe


class Overtaken(Silent):
    """Does something between a run's plan and its first byte."""

    def __init__(self, other: Case) -> None:
        self.other = other
        self.status = ""

    def planned(self, plan: Plan, *_more: object) -> None:
        self.status = self.other.run().status


@pytest.mark.parametrize("old", [False, True], ids=["nothing", "an old result"])
def test_a_run_that_was_overtaken_leaves_what_the_other_made(tmp_path: Path, old: bool) -> None:
    case = make_case(tmp_path)
    if old:
        assert case.run(dtype="fp16").status == "merged"
    reporter = Overtaken(case)
    error = case.run(reporter).error
    assert reporter.status == "merged"
    assert "another run has written the target" in refused(error)
    assert debris(tmp_path) == []
    assert verified(case) == assemble.plan(case.request()).recipe
    assert case.run().status == "unchanged"


@pytest.mark.slow
def test_of_four_runs_at_once_one_merges(tmp_path: Path) -> None:
    case = large_case(tmp_path)
    runs = [
        subprocess.Popen(command(case), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(4)
    ]
    reports = [json.loads(process.communicate()[0]) for process in runs]
    statuses = [report["status"] for report in reports]
    assert statuses.count("merged") == 1
    for report in reports:
        if report["status"] == "failed":
            assert report["error"]["code"] == 6
            assert "another run" in report["error"]["message"]
    assert debris(tmp_path) == []
    assert verified(case) == assemble.plan(case.request()).recipe


@pytest.mark.parametrize("moment", [0, -(10**9), 1, 4_102_444_800], ids=str)
def test_files_of_any_age_merge_once(tmp_path: Path, moment: int) -> None:
    case = make_case(tmp_path)
    weights = case.base / "model.safetensors"
    for path in (weights, case.base / "config.json", *case.adapter.iterdir()):
        os.utime(path, (moment, moment))
    assert [case.run().status, case.run().status] == ["merged", "unchanged"]
    # What a base's weights hold is not read again: another time alone may mean other weights.
    os.utime(weights, ns=(0, moment * 10**9 + 1))
    assert [case.run().status, case.run().status] == ["merged", "unchanged"]
    # An adapter is read whole, whatever its time.
    os.utime(case.adapter / "adapter_model.safetensors", (5, 5))
    os.utime(case.to / "model.safetensors", (moment, moment))
    assert case.run().status == "unchanged"


def test_a_clock_that_jumps_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(tmp_path)
    now = [2e9]

    def back() -> float:
        now[0] -= 1e6
        return now[0]

    monkeypatch.setattr(time, "time", back)
    reports = [case.run(), case.run(), case.run(dtype="bf16")]
    assert [r.status for r in reports] == ["merged", "unchanged", "merged"]
    assert all(0 <= s < 60 for r in reports for s in r.seconds.values())
    verified(case)


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
