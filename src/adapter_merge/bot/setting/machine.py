"""What the doctor sees of this machine: disk, GPU, and whether the bot's address answers as it should."""

from __future__ import annotations

import http.client
import os
import subprocess
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

from adapter_merge.bot.secret import HEADER
from adapter_merge.bot.setting.exam import Exam
from adapter_merge.bot.setting.install import require_safe
from adapter_merge.figures import nbytes
from adapter_merge.forecast import Forecast

_SECONDS = 15
_WRONG = "a-wrong-secret-that-the-doctor-sends"
_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")


def answers(url: str) -> Exam:
    """Send what nobody may be let in with, and see it refused; redirects aren't followed, as the Hub wouldn't either."""
    require_safe(url)
    try:
        status = _posted(url)
    except (OSError, http.client.HTTPException) as e:
        todo = "Start `adapter-merge serve`, and see that its port is open to the outside."
        return Exam(name="address", state="fail", said=f"`{url}` doesn't answer: {e}", todo=todo)
    if status == 401:
        said = f"`{url}` answers, and refuses a wrong secret"
        return Exam(name="address", state="ok", said=said)
    if status in {200, 202, 204}:
        todo = "Stop it: anybody may start merges. Is it `adapter-merge serve` that answers there?"
        return Exam(name="address", state="fail", said=f"`{url}` takes a wrong secret", todo=todo)
    return Exam(
        name="address",
        state="fail",
        said=f"`{url}` answers a delivery with {status}, not with 401",
        todo="Its path is `/webhook`; see what the proxy before it does.",
    )


def _posted(url: str) -> int:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_SECONDS)
    try:
        headers = {HEADER: _WRONG, "content-type": "application/json"}
        connection.request("POST", parts.path or "/", b"{}", headers)
        return connection.getresponse().status
    finally:
        connection.close()


def disk(label: str, forecast: Callable[[], Forecast]) -> Exam:
    """Whether the largest merge that is due has room."""
    guess = forecast()
    rooms = [(guess.needed_bytes, guess.free_bytes)]
    if guess.cache is not None:
        rooms.append((guess.cache.needed_bytes, guess.cache.free_bytes))
    short = next(((needed, free) for needed, free in rooms if needed > free), None)
    needed, free = short or max(rooms)
    said = f"`{label}` takes {nbytes(needed)} of the {nbytes(free)} that are free"
    if short is None:
        return Exam(name="disk", state="ok", said=said)
    return Exam(
        name="disk", state="fail", said=said, todo="Free some, or let `HF_HOME` name another disk."
    )


def gpu() -> Exam:
    """Whether there is a GPU that torch could use; merges need none."""
    try:
        asked = subprocess.run(  # noqa: S603 - every word of it is ours
            _QUERY,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
            env={"PATH": os.environ.get("PATH", os.defpath)},
        )
        found = asked.stdout.strip().splitlines()
    except (OSError, subprocess.SubprocessError):
        found = []
    if not found:
        return Exam(name="gpu", state="skip", said="there is none; merges don't need one")
    if "+cpu" in _torch():
        return Exam(
            name="gpu",
            state="warn",
            said=f"{found[0]}, but torch is the build without CUDA",
            todo="Install torch from PyPI, or let it be: `--device cuda` won't work.",
        )
    return Exam(name="gpu", state="ok", said=found[0])


def _torch() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""
