"""Child processes: what they get, what they may take, and what is left of them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from adapter_merge.bot.dispatch import Limits
from adapter_merge.bot.dispatch.desk import Desk, desk
from adapter_merge.bot.dispatch.group import Leader
from adapter_merge.bot.dispatch.local import Local
from adapter_merge.bot.order import Ended, Order
from adapter_merge.bot.secret import SECRET
from tests.bot.dispatch.places import Heard, running

ORDER = Order(target="org/merged", adapters={}, document="merges: []\n")
HUB_TOKEN, OTHERS = "hf_tokenofthehub", "a-word-that-the-hub-sends"
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HF_TOKEN": HUB_TOKEN,
    SECRET: OTHERS,
    f"{SECRET}_FILE": "/run/secret",
    "GITHUB_TOKEN": "ghs_tokenofgithub",
    "GH_TOKEN": "ghs_another",
}
# A program with a child that is as deaf as itself.
DEAF = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
own = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", own, sys.argv[-1]])
print("deaf", file=sys.stderr, flush=True)
time.sleep(60)
"""


def made(place: Path, program: str, **limits: float) -> Local:
    known = {"look": 0.02, "grace": 0.2, "seconds": 20, "floor_bytes": 0, **limits}
    return Local(
        place,
        ENVIRONMENT,
        limits=Limits(**known),  # type: ignore[arg-type]
        gpus="1",
        command=(sys.executable, "-c", program),
    )


def carried_out(place: Path, program: str, heard: Heard, **limits: float) -> Ended:
    ended = made(place, program, **limits).carry_out(ORDER, heard.ears())
    assert running(str(place)) == []
    assert not place.exists() or list(place.iterdir()) == []
    return ended


def test_a_run_has_its_own_folder_and_no_secrets_but_the_hubs(tmp_path: Path) -> None:
    heard = Heard()
    program = "import json, os, sys; json.dump([dict(os.environ), sys.stdin.read(), sys.argv[1:], os.getsid(0) == os.getpid()], open(os.environ['PATH_OF_TEST'], 'w'))"
    told = tmp_path / "told"
    place = tmp_path / "desks"
    here = Local(
        place,
        {**ENVIRONMENT, "PATH_OF_TEST": str(told)},
        gpus="",
        command=(sys.executable, "-c", program),
    )
    here.carry_out(ORDER, heard.ears())
    environ, stdin, words, leads = json.loads(told.read_text())
    own = desk(place, ORDER.target)
    assert stdin == ORDER.document
    assert words == ["bot", "job", "--events", "--merges", "-", "--work-dir", str(own.results)]
    assert leads
    assert environ["HF_TOKEN"] == HUB_TOKEN
    assert (environ["TMPDIR"], environ["CUDA_VISIBLE_DEVICES"]) == (str(own.temporary), "")
    kept_back = {SECRET, f"{SECRET}_FILE", "GITHUB_TOKEN", "GH_TOKEN"}
    assert not kept_back & environ.keys()


def test_the_log_shows_no_token_and_moves_no_cursor(tmp_path: Path) -> None:
    heard = Heard()
    words = ["hf_anotherone1", "ghp_x1234567", f"with {HUB_TOKEN}.", OTHERS, "Bearer abc.def"]
    said = "\n".join([*words, "\x1b[2Jplain"])
    program = f"import sys; sys.stderr.write({said!r}); print('out ' + 'x' * 5_000)"
    carried_out(tmp_path / "desks", program, heard)
    assert sorted(line for line in heard.lines if not line.startswith("out")) == sorted(
        ["***", "***", "with ***.", "***", "***", r"\x1b[2Jplain"]
    )
    assert max(map(len, heard.lines)) == 2_001


@pytest.mark.parametrize(
    ("program", "limits", "says"),
    [
        ("import time; time.sleep(60)", {"seconds": 0.3}, r"longer than the 0\.3 s"),
        (
            "import time; x = bytearray(150_000_000); time.sleep(60)",
            {"memory_bytes": 100_000_000},
            r"held 1\d\d\.\d MB of memory, where 100\.0 MB are allowed",
        ),
        (
            # Neither alone takes too much.
            "import subprocess, sys, time; x = bytearray(60_000_000); subprocess.Popen([sys.executable, '-c', 'import time; x = bytearray(60_000_000); time.sleep(60)']); time.sleep(60)",
            {"memory_bytes": 110_000_000},
            r"where 110\.0 MB are allowed",
        ),
        ("", {"floor_bytes": 1 << 60}, r"only .* are free where .* and 1152921\.5 TB have to stay"),
        ("import os; os.kill(os.getpid(), 9)", {}, "killed by signal 9"),
        ("import sys; sys.exit('no idea')", {}, "exit code 1; its last line was: no idea"),
        ("pass", {}, "exit code 0, and said nothing"),
    ],
    ids=["time", "memory", "memory-together", "disk", "killed", "words", "silent"],
)
def test_what_ends_a_run_is_told_and_nothing_is_left(
    tmp_path: Path, program: str, limits: dict[str, float], says: str
) -> None:
    ended = carried_out(tmp_path / "desks", program, Heard(), **limits)
    assert (ended.outcome, ended.again) == ("failed", "killed" in says)
    assert re.search(says, ended.reason), ended.reason


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    here = Local(tmp_path / "desks", {}, command=("/no/such/program",))
    ended = here.carry_out(ORDER, Heard().ears())
    assert ended.outcome == "failed"
    assert "No such file" in ended.reason
    assert list((tmp_path / "desks").iterdir()) == []


def test_who_does_not_listen_is_killed_with_all_its_children(tmp_path: Path) -> None:
    heard = Heard()
    ears = replace(heard.ears(), line=lambda _: heard.stop.set())
    ended = made(tmp_path / "desks", DEAF).carry_out(ORDER, ears)
    assert (ended.outcome, ended.code) == ("stopped", -signal.SIGKILL)
    assert running(str(tmp_path)) == []


_SERVER = """
import os, sys, threading
from pathlib import Path
from adapter_merge.bot.dispatch.local import Local
from adapter_merge.bot.order import Ears, Order
ears = Ears(line=lambda line: print(line, flush=True), progress=print, url=print, stop=threading.Event())
order = Order(target="org/merged", adapters={}, document="")
Local(Path(sys.argv[1]), dict(os.environ), command=(sys.executable, "-c", sys.argv[2])).carry_out(order, ears)
"""


def test_what_a_killed_server_left_is_ended_and_a_waiting_result_stays(tmp_path: Path) -> None:
    place = tmp_path / "desks"
    words = [sys.executable, "-c", _SERVER, str(place), DEAF]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "deaf\n"
        server.kill()
    own = desk(place, ORDER.target)
    waits, half = own.results / "org--merged", own.results / ".org--merged.adapter-merge-01234567"
    for folder in (waits, half):
        folder.mkdir()
        (folder / "model.safetensors").touch()
    # A process that has just begun may have no command line for a moment.
    end = time.monotonic() + 5
    while len(running(str(place))) != 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    made(place, "").clean()
    assert running(str(place)) == []
    assert [p.name for p in own.results.iterdir()] == ["org--merged"]
    assert [p.name for p in own.root.iterdir()] == ["results"]


def test_a_stranger_that_has_the_number_now_is_left_alone(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(program, start_new_session=True) as stranger:
        own = desk(tmp_path, ORDER.target)
        own.lay()
        started = psutil.Process(stranger.pid).create_time()
        own.write(Leader(pid=stranger.pid, started=started - 3_600))
        made(tmp_path, "").clean()
        assert stranger.poll() is None
        assert list(tmp_path.iterdir()) == []
        stranger.kill()


def test_a_note_that_is_none_is_nobodys(tmp_path: Path) -> None:
    own = Desk(root=tmp_path / "one")
    own.lay()
    for text in ("", "[]", '{"pid": "x", "started": 1}'):
        (own.root / "leader.json").write_text(text)
        assert own.leader() is None
    made(tmp_path, "").clean()
    assert list(tmp_path.iterdir()) == []


def test_targets_have_folders_of_their_own(tmp_path: Path) -> None:
    names = ("org/a", "org--a", "./org/a", "../../etc", "o" * 300, "org/a@b")
    roots = {desk(tmp_path, name).root for name in names}
    assert len(roots) == len(names)
    assert {root.parent for root in roots} == {tmp_path}


def test_two_runs_at_once_do_not_meet(tmp_path: Path) -> None:
    here = made(tmp_path, "import time; time.sleep(0.3); raise SystemExit(7)")
    found: list[Ended] = []
    orders = [Order(target=f"org/{n}", adapters={}, document="") for n in range(3)]
    begin = time.monotonic()
    threads = [
        threading.Thread(target=lambda o=o: found.append(here.carry_out(o, Heard().ears())))
        for o in orders
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [e.code for e in found] == [7, 7, 7]
    assert time.monotonic() - begin < 5
