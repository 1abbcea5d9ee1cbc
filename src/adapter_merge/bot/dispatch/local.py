"""Merges in child processes of this machine, each with limits, a folder of its own, and only the tokens that it needs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Literal

from adapter_merge import assemble
from adapter_merge.bot.dispatch import Limits, Where
from adapter_merge.bot.dispatch.desk import Desk, desk, desks
from adapter_merge.bot.dispatch.group import Leader
from adapter_merge.bot.dispatch.heard import Heard
from adapter_merge.bot.order import Ears, Ended, Order
from adapter_merge.bot.secret import SECRET
from adapter_merge.bot.tokens import SECRETS
from adapter_merge.figures import nbytes

COMMAND = (sys.executable, "-m", "adapter_merge")
# Whoever merges needs the Hub's tokens; these would be lost to a stranger's code for nothing.
_KEPT_BACK = (
    *(SECRET, f"{SECRET}_FILE"),
    *("GITHUB_TOKEN", "GH_TOKEN", "GITHUB_ENTERPRISE_TOKEN", "GH_ENTERPRISE_TOKEN"),
)
_SECRETS = (*_KEPT_BACK, *SECRETS)
_LINE = 64 << 20  # bytes: a report is one line
_END = 5.0  # seconds for the last words of a run that is over


class Local:
    """Implements `Dispatch`.

    Args:
        place: the folder that each run gets its own in.
        environ: what runs get, but for the tokens that aren't theirs.
        limits: of each run.
        gpus: see `Where`.
        disks: folders on further disks that a run writes to, which are watched too.
        command: the program.
    """

    name: Literal["local", "github", "jobs"] = "local"

    def __init__(
        self,
        place: Path,
        environ: Mapping[str, str],
        *,
        limits: Limits | None = None,
        gpus: str | None = None,
        disks: Iterable[Path] = (),
        command: tuple[str, ...] = COMMAND,
    ) -> None:
        self._place = place
        self._environ, self._gpus = dict(environ), gpus
        self._limits = limits or Limits()
        self._disks = (place, *disks)
        self._command = command

    def carry_out(self, order: Order, ears: Ears) -> Ended:
        """See `Dispatch`."""
        heard = Heard(ears, (self._environ[n] for n in _SECRETS if n in self._environ))
        own = desk(self._place, order.target)
        try:
            low = self._low()
            if low is not None:
                return Ended(outcome="failed", reason=low)
            own.lay()
            return self._run(order, own, heard, ears)
        except OSError as e:
            return Ended(
                outcome="failed",
                reason=f"no process can be started for it in `{own.root}`: {e.strerror or e}. See what the system lacks.",
            )
        finally:
            own.clear()

    def clean(self) -> None:
        """End what a killed server left running, and remove its folders."""
        for own in desks(self._place):
            leader = own.leader()
            if leader is not None:
                leader.end(self._limits.grace)
            own.clear()

    def _run(self, order: Order, own: Desk, heard: Heard, ears: Ears) -> Ended:
        words = ["bot", "job", "--events", "--merges", "-", "--work-dir", str(own.results)]
        with subprocess.Popen(  # noqa: S603 - this program
            [*self._command, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment(own),
            start_new_session=True,
        ) as process:
            leader = Leader.of(process.pid)
            listening = _listen(process, heard)
            try:
                own.write(leader)
                # It has nothing to do until this comes: a server that is killed before leaves no run that it doesn't know.
                _hand(process, order.document)
                why = self._watched(process, leader, ears)
            finally:
                leader.end(self._limits.grace)
                for thread in listening:
                    thread.join(_END)
        ended = heard.ended(process.returncode)
        if why is None or heard.is_good:
            return ended
        return Ended(outcome=why[0], reason=why[1], code=process.returncode, report=ended.report)

    def _environment(self, own: Desk) -> dict[str, str]:
        kept = {name: text for name, text in self._environ.items() if name not in _KEPT_BACK}
        gpus = {} if self._gpus is None else {"CUDA_VISIBLE_DEVICES": self._gpus}
        return {**kept, **gpus, "TMPDIR": str(own.temporary), "PYTHONUNBUFFERED": "1"}

    def _watched(
        self, process: subprocess.Popen[bytes], leader: Leader, ears: Ears
    ) -> tuple[Literal["failed", "stopped"], str] | None:
        """Wait for its end; the result is why it has to end before, and None where it ended by itself."""
        end = time.monotonic() + self._limits.seconds
        while process.poll() is None:
            if ears.stop.is_set():
                return "stopped", "it was stopped"
            why = self._late(end) or self._heavy(leader) or self._low()
            if why is not None:
                return "failed", why
            ears.stop.wait(self._limits.look)
        return None

    def _late(self, end: float) -> str | None:
        if time.monotonic() < end:
            return None
        return f"it took longer than the {self._limits.seconds:g} s that it may take, and was stopped. Allow more with `--time-limit`."

    def _heavy(self, leader: Leader) -> str | None:
        most = self._limits.memory_bytes
        if most is None or (held := leader.rss()) <= most:
            return None
        return f"it held {nbytes(held)} of memory, where {nbytes(most)} are allowed, and was stopped. Allow more with `--memory`, or have it done elsewhere with `--dispatch jobs`."

    def _low(self) -> str | None:
        """Why there is too little room on a disk; None where there is enough."""
        for folder in self._disks:
            free, floor = assemble.free(folder), self._limits.floor_bytes
            if free < floor:
                return f"only {nbytes(free)} are free where `{folder}` is, and {nbytes(floor)} have to stay free, so it was not done, or stopped. Free some space there, or allow less with `--keep-free`."
        return None


def local(where: Where, environ: Mapping[str, str]) -> Local:
    """The one that was asked for."""
    cache = assemble.this_machine().around.cache
    disks = () if cache is None else (cache,)
    return Local(where.place, environ, limits=where.limits, gpus=where.gpus, disks=disks)


def _hand(process: subprocess.Popen[bytes], document: str) -> None:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    try:
        process.stdin.write(document.encode())
        process.stdin.close()
    except BrokenPipeError:
        return  # it has ended, and its exit code says more


def _listen(process: subprocess.Popen[bytes], heard: Heard) -> list[threading.Thread]:
    found = [
        threading.Thread(target=_lines, args=(stream, heard.take), daemon=True)
        for stream in (process.stdout, process.stderr)
    ]
    for thread in found:
        thread.start()
    return found


def _lines(stream: IO[bytes] | None, take: Callable[[str], None]) -> None:
    assert stream is not None  # noqa: S101 - it is a pipe
    for line in iter(partial(stream.readline, _LINE), b""):
        take(line.decode(errors="replace"))
