"""The demo's Hub: on loopback, with the base where the real one has it, and commands that speak to it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from adapter_merge.errors import HubUnavailable

USER = "demo"
_PROGRAM = (sys.executable, "-m", "adapter_merge")
_TOKEN = "hf_demo"  # noqa: S105 - it opens nothing but this Hub


@dataclass(frozen=True, kw_only=True)
class Loopback:
    """A Hub that answers at `url`, and the folder `home` in which its clients keep what they download."""

    url: str
    home: Path

    def command(self, *words: str, more: Mapping[str, str] | None = None) -> int:
        """Run `adapter-merge` against it, with `more` in its environment; the result is the exit code."""
        return self._run([*_PROGRAM, *words], more=more).returncode

    def started(
        self, *words: str, more: Mapping[str, str], log: IO[bytes]
    ) -> subprocess.Popen[str]:
        """Start `adapter-merge` against it, with its stdout to be read and its stderr in a file."""
        return subprocess.Popen(  # noqa: S603 - every word of it is ours
            [*_PROGRAM, *words],
            env={**self._environment(), **more},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )

    def hf(self, *words: str) -> str:
        """Run the Hub's own client; the result is what it said on stdout.

        Raises:
            HubUnavailable: it failed.
        """
        done = self._run([str(Path(sys.executable).with_name("hf")), *words], captured=True)
        if done.returncode != 0:
            raise HubUnavailable(
                f"`{shlex.join(['hf', *words])}` failed: {done.stderr.strip()[-400:]}",
                hint="Delete the demo's folder and run `adapter-merge demo` again; then report it.",
            )
        return done.stdout

    def _run(
        self,
        command: Sequence[str],
        *,
        captured: bool = False,
        more: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - every word of it is ours
            command,
            env={**self._environment(), **(more or {})},
            text=True,
            capture_output=captured,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        """Without what a real Hub is reached by: nothing of the demo leaves this machine."""
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("HF_", "HUGGING"))}
        ours = {"HF_ENDPOINT": self.url, "HF_TOKEN": _TOKEN, "HF_HOME": str(self.home)}
        # A proxy of the company can't see this machine's loopback.
        return {**kept, **ours, "NO_PROXY": "127.0.0.1,localhost"}


@contextmanager
def loopback(root: Path, *, owner: str) -> Iterator[Loopback]:
    """A new Hub below `root`, on which the demo's user may write for `owner` too."""
    from adapter_merge.localhub import LocalHub

    data, home = root / "hub", root / "hf-home"
    for folder in (data, home):
        shutil.rmtree(folder, ignore_errors=True)
    with LocalHub(data) as hub:
        hub.add_user(USER, _TOKEN)
        hub.add_organisation(owner, {USER: "write"})
        yield Loopback(url=hub.url, home=home)
