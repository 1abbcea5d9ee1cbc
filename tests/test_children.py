"""What a child process that reads strangers' files can reach: no other process, no network, no token."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adapter_merge import children
from adapter_merge.children import environment, isolated

SECRET = "hf_parentsecret"
# Prints each process's environment that can be read, and whether an address answers.
_SPY = """
import os, socket, sys
seen = []
for name in os.listdir("/proc"):
    if name.isdigit():
        try:
            seen.append(open(f"/proc/{name}/environ", "rb").read())
        except OSError:
            pass
print("secret" if any(b"hf_parentsecret" in s for s in seen) else "nothing")
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=2).close()
    print("network")
except OSError:
    print("no network")
"""
# Runs the spy as the product runs children.
_PARENT = """
import subprocess, sys
from pathlib import Path
from adapter_merge.children import environment, isolated
print(subprocess.run(isolated("-c", sys.argv[1], sys.argv[2]), env=environment(Path(sys.argv[3])),
                     capture_output=True, text=True, check=True).stdout)
"""

namespaces = pytest.mark.skipif(
    not children._namespaces(), reason="this system allows no namespaces to this user"
)


def _spied(tmp_path: Path) -> list[str]:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-c", _PARENT, _SPY, port, str(tmp_path)],
            env={**os.environ, "HF_TOKEN": SECRET},
            capture_output=True,
            text=True,
            check=True,
            cwd="/",
        )
    return done.stdout.split("\n")[:2]


@namespaces
def test_a_child_sees_neither_its_parent_s_environment_nor_a_network(tmp_path: Path) -> None:
    assert _spied(tmp_path) == ["nothing", "no network"]


@namespaces
def test_all_that_a_child_started_ends_with_it(tmp_path: Path) -> None:
    """One that goes into a session of its own, too."""
    mark = tmp_path / "alive"
    grandchild = (
        f"import time\nwhile True:\n open({str(mark)!r}, 'a').write('.')\n time.sleep(0.02)"
    )
    program = f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {grandchild!r}], start_new_session=True)\ntime.sleep(60)"
    with subprocess.Popen(isolated("-c", program), env=environment(tmp_path)) as child:
        end = time.monotonic() + 30
        while not mark.exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert mark.exists()
        child.kill()
    time.sleep(0.3)
    before = mark.stat().st_size
    time.sleep(0.3)
    assert mark.stat().st_size == before


def test_without_namespaces_the_parent_itself_denies_its_memory() -> None:
    """A process that is not dumpable is closed to all of its user's processes but root's."""
    program = (
        "import ctypes, os; os.environ['PATH'] = '/nowhere'\n"
        "from adapter_merge.children import isolated\n"
        "print(*isolated('x')[1:], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["-P", "-s", "x", "0"]
