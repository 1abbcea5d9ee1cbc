"""A Hub, GitHub and the real `adapter-merge serve` beside each other on loopback, and what people do there."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from adapter_merge.bot.record import Record
from adapter_merge.bot.secret import SECRET
from adapter_merge.bot.store import records_in
from tests.bot.dispatch.workflow import bare
from tests.bot.web.standin import asked
from tests.reconcile.conftest import Shelf

TOKEN, WRITER = "hf_tokenThatReadsInTheTown", "hf_tokenThatWritesInTheTown"
GITHUB_TOKEN = "ghs_tokenOfTheTownForGithub"
WORD = "a-word-that-the-hub-alone-sends"
COMMAND = (sys.executable, "-m", "adapter_merge")
# The same command, which looks at runs elsewhere more often, and tries again sooner.
HASTY = (
    sys.executable,
    "-c",
    """
import sys
from datetime import timedelta
from functools import partial
from adapter_merge.bot import config
from adapter_merge.bot.dispatch import github, jobs
from adapter_merge.cli.main import main
config.Config = partial(config.Config, first_wait=timedelta(seconds=0.5))
github.Pace = partial(github.Pace, look=0.2)
jobs.Pace = partial(jobs.Pace, look=0.2)
sys.exit(main(sys.argv[1:]))
""",
)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@dataclass(kw_only=True)
class Town:
    """What there is: a shelf of adapters on a Hub, and a merges.yaml.

    Attributes:
        shelf: see there.
        merges: the text of merges.yaml.
        more: the environment of the bot, beside the Hub's.
    """

    shelf: Shelf
    merges: str
    more: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=_free_port)
    command: tuple[str, ...] = HASTY

    @property
    def root(self) -> Path:
        return self.shelf.root

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def file(self) -> Path:
        path = self.root / "merges.yaml"
        path.write_text(self.merges)
        return path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        own = {"HF_ENDPOINT": self.shelf.hub.url, "HF_HOME": str(self.root / "home")}
        tokens = {"HF_TOKEN": TOKEN, "HF_WRITE_TOKEN": WRITER, SECRET: WORD}
        return bare(**own, **tokens, **self.more)

    def made_of(self, target: str) -> str:
        """The adapter's commit that a result says it was made of."""
        return str(self.shelf.receipt(target)["adapters"][0]["commit"])

    def recipes(self, target: str) -> list[str]:
        """What each commit of a result was made of, newest first."""
        found = []
        for commit in self.shelf.api.list_repo_commits(target)[:-1]:
            receipt = self.shelf.receipt(target, commit.commit_id)
            found.append(str(receipt["recipe"]))
        return found

    def ran(self, *words: str) -> str:
        """What a command of the bot's owner writes, which ends well."""
        ended = subprocess.run(
            [*COMMAND, *words],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def install(self, *words: str) -> None:
        """Have the Hub tell the bot of pushes."""
        self.ran("bot", "install", str(self.file), *(words or ("--url", f"{self.url}/webhook")))

    def begin(self, *words: str) -> Bot:
        """Start the bot, and don't wait for it; whoever does so ends it."""
        options = ("--state", str(self.state), "--port", str(self.port), "--every", "1h")
        audit = ("--audit", str(self.root / "audit.jsonl"))
        log = (self.root / "bot.log").open("a")
        with log:
            process = subprocess.Popen(
                [*self.command, "serve", str(self.file), *options, *audit, *words],
                env=self.environment(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return Bot(town=self, process=process)

    @contextmanager
    def bot(self, *words: str) -> Iterator[Bot]:
        """The bot, which has looked at everything once; at the end it is told to stop, and does so."""
        bot = self.begin(*words)
        try:
            bot.wait()
            until(lambda: bot.asked("/readyz")[0] == 200, bot.told)
            yield bot
            assert bot.stop() == 0, bot.told()
        finally:
            bot.kill()


@dataclass(frozen=True, kw_only=True)
class Bot:
    """A bot that serves, in a process of its own."""

    town: Town
    process: subprocess.Popen[str]

    def wait(self) -> None:
        """Until it answers."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("ready "), self.told()

    def asked(self, path: str) -> tuple[int, bytes]:
        return asked(self.town.url, path)

    def posted(self, body: bytes, word: str = WORD) -> int:
        return asked(self.town.url, "/webhook", body, {"X-Webhook-Secret": word})[0]

    def records(self) -> tuple[Record, ...]:
        return records_in(self.town.state / "merges")

    def record(self, target: str) -> Record | None:
        return next((record for record in self.records() if record.target == target), None)

    def state(self, target: str) -> str:
        record = self.record(target)
        return "none" if record is None else record.state

    def is_in_step(self, adapter: str) -> bool:
        """Whether `ADAPTER-merged` is made of the adapter as it is, and the bot knows."""
        target = f"{adapter}-merged"
        stands = self.state(target) in {"merged", "unchanged"}
        return stands and self.town.made_of(target) == self.town.shelf.hub.head(adapter)

    def is_idle(self) -> bool:
        """Whether nothing waits for its turn, and nothing runs."""
        lines = set(self.asked("/metrics")[1].decode().splitlines())
        return {
            "adapter_merge_queued 0.0",
            'adapter_merge_targets{state="queued"} 0.0',
            'adapter_merge_targets{state="running"} 0.0',
        } <= lines

    def decided(self, target: str) -> list[str]:
        """The states that a target has come to, in order."""
        return [a["state"] for a in self.audit() if a.get("target") == target]

    def audit(self) -> list[dict[str, Any]]:
        lines = (self.town.root / "audit.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def children(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def told(self) -> str:
        return (self.town.root / "bot.log").read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """End it as a system does that has no memory left; its children go on."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def until(
    holds: Callable[[], bool], told: Callable[[], str] = lambda: "", seconds: float = 60
) -> None:
    """Wait for something to hold; what doesn't is told of."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, told()
        time.sleep(0.05)


def command_in(folder: Path) -> str:
    """A path on which `adapter-merge` is found, as it is in an image."""
    folder.mkdir()
    script = folder / "adapter-merge"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m adapter_merge "$@"\n')
    script.chmod(0o755)
    return os.pathsep.join([str(folder), os.environ["PATH"]])
