"""Child processes that read strangers' files: an empty home, no token, no network, and namespaces of their own."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

# What an interpreter and its libraries may need to start. No token and no proxy is among them.
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
# User, PID, mount and network namespaces: the child sees its own processes alone, and no network. All that it
# starts ends with it. See unshare(1).
_UNSHARE = (
    "--user", "--map-current-user", "--pid", "--fork", "--kill-child", "--mount-proc", "--net", "--ipc",
)  # fmt: skip
_SECONDS = 10
_PR_SET_DUMPABLE = 4  # linux/prctl.h


def environment(home: Path, *, also: Collection[str] = ()) -> dict[str, str]:
    """The whole environment of a child; it finds libraries where this process found them.

    The token of a login is in the user's home, so the child gets `home`.

    Args:
        home: an empty folder.
        also: names of further variables that it gets where they are set.
    """
    passed_on = {name: os.environ[name] for name in (*_PASSED_ON, *also) if name in os.environ}
    path = os.pathsep.join(p for p in sys.path if p)
    own = {name: str(home) for name in ("HOME", "HF_HOME", "TMPDIR")}
    return {**passed_on, **_OFFLINE, **own, "PYTHONPATH": path}


def isolated(*arguments: str) -> Sequence[str]:
    """The command that runs this interpreter with `arguments`, in namespaces where the system allows them.

    Without namespaces a child of the same user could read this process's memory and environment through `/proc`:
    from here on this process is not dumpable, which denies that to all but root.
    """
    _deny_tracing()
    return (*_namespaces(), sys.executable, "-P", "-s", *arguments)


@cache
def _namespaces() -> tuple[str, ...]:
    """The words that start a command in namespaces; none where the kernel or a container forbids it."""
    program = shutil.which("unshare")
    if sys.platform != "linux" or program is None:
        return ()
    words = (program, *_UNSHARE)
    try:
        tried = subprocess.run(  # noqa: S603 - a program of the system, with words of ours
            [*words, sys.executable, "-S", "-c", ""],
            env={},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return words if tried.returncode == 0 else ()


@cache
def _deny_tracing() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
