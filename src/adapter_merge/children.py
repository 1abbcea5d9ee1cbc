"""What a child process gets of this one: the libraries, an empty home, and neither token nor network."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
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


def environment(home: Path, *, also: Collection[str] = ()) -> dict[str, str]:
    """The whole environment of a child; it finds libraries where this process found them.

    A login's token lies in the home of whoever ran it: the child's own is `home`.

    Args:
        home: an empty folder.
        also: names of further variables that it gets where they are set.
    """
    passed_on = {name: os.environ[name] for name in (*_PASSED_ON, *also) if name in os.environ}
    path = os.pathsep.join(p for p in sys.path if p)
    own = {name: str(home) for name in ("HOME", "HF_HOME", "TMPDIR")}
    return {**passed_on, **_OFFLINE, **own, "PYTHONPATH": path}
