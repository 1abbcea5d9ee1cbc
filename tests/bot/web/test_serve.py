"""The real command, in a process of its own, on a Hub on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from adapter_merge.localhub import LocalHub
from tests.bot.web.standin import SECRET, asked
from tests.bot.web.told import body

ADAPTER = "acme/adapter"
MERGES = """\
defaults:
  to: "{owner}/{name}-merged"
merges:
  - adapter: acme/adapter
"""


@dataclass(kw_only=True)
class Child:
    """A running bot."""

    process: subprocess.Popen[str]
    url: str
    folder: Path

    def stop(self, number: int) -> int:
        """Send a signal, and wait for the exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def posted(self, repo: str, secret: str = SECRET) -> tuple[int, str]:
        status, text = asked(self.url, "/webhook", body(repo=repo), {"X-Webhook-Secret": secret})
        return status, json.loads(text)["status"]

    def audit(self) -> list[dict[str, object]]:
        lines = (self.folder / "audit.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    with LocalHub(tmp_path_factory.mktemp("hub")) as hub:
        hub.add_user("acme", "hf_bot")
        hub.add_repo(ADAPTER, {"README.md": b"to come"})
        yield hub


def command(folder: Path, *words: str) -> list[str]:
    (folder / "merges.yaml").write_text(MERGES)
    base = [sys.executable, "-m", "adapter_merge", "serve", str(folder / "merges.yaml")]
    return [*base, "--state", str(folder / "state"), "--port", "0", *words]


def environment(hub: LocalHub, folder: Path, **more: str) -> dict[str, str]:
    own = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_bot", "HF_HOME": str(folder / "home")}
    return {**os.environ, **own, "ADAPTER_MERGE_WEBHOOK_SECRET": SECRET, **more}


@contextmanager
def started(hub: LocalHub, folder: Path, *words: str) -> Iterator[Child]:
    audit = ("--audit", str(folder / "audit.jsonl"), "--log", "json")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command(folder, *audit, *words),
            env=environment(hub, folder),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    try:
        word, _, url = process.stdout.readline().strip().partition(" ")
        assert word == "ready", (folder / "log").read_text()
        yield Child(process=process, url=url, folder=folder)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def until(ready: Callable[[], bool], seconds: float = 15) -> None:
    """Wait for something to be true."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it didn't come"
        time.sleep(0.05)


def test_it_answers_works_and_stops(hub: LocalHub, tmp_path: Path) -> None:
    with started(hub, tmp_path) as bot:
        until(lambda: asked(bot.url, "/readyz")[0] == 200)
        assert asked(bot.url, "/healthz")[0] == 200
        assert bot.posted(ADAPTER) == (202, "queued")
        assert bot.posted("acme/adapter-merged") == (202, "ignored")
        assert bot.posted("stranger/adapter") == (202, "ignored")
        assert bot.posted(ADAPTER, secret="wrong") == (401, "refused")
        assert b"acme/adapter-merged" in asked(bot.url, "/")[1]
        assert b"adapter_merge_ready 1.0" in asked(bot.url, "/metrics")[1]
        (tmp_path / "state" / "paused").touch()
        status, said = asked(bot.url, "/readyz")
        assert status == 503
        assert b"paused" in said
        heard = [line["result"] for line in bot.audit() if line["event"] == "delivery"]
        assert heard == ["queued", "ignored", "ignored"]
        assert bot.stop(signal.SIGTERM) == 0
        place = urlsplit(bot.url)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((str(place.hostname), int(place.port or 0)), 5)
    log = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert {"serving", "delivery"} <= {line["event"] for line in log}
    assert SECRET not in (tmp_path / "log").read_text()


def test_a_request_that_is_being_sent_does_not_keep_it(hub: LocalHub, tmp_path: Path) -> None:
    with started(hub, tmp_path, "--no-pages") as bot:
        place = urlsplit(bot.url)
        with socket.create_connection((str(place.hostname), int(place.port or 0)), 5) as sock:
            sock.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
            assert asked(bot.url, "/")[0] == 404
            assert bot.stop(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("words", "more", "why"),
    [
        ((), {"ADAPTER_MERGE_WEBHOOK_SECRET": ""}, "the webhook has no secret"),
        ((), {"ADAPTER_MERGE_WEBHOOK_SECRET": "short"}, "less than 16 characters"),
        (("--every", "0"), {}, "a second at least"),
        (("--keep-free", "much"), {}, "is not a size"),
        (("--dispatch", "github"), {}, "the workflow's repository"),
        (("--host", "no.such.host.invalid"), {}, "nothing can be served"),
    ],
)
def test_it_does_not_start_without_what_it_needs(
    hub: LocalHub, tmp_path: Path, words: tuple[str, ...], more: dict[str, str], why: str
) -> None:
    told = command(tmp_path, *words)
    env = environment(hub, tmp_path, **more)
    ended = subprocess.run(told, env=env, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert why in " ".join(ended.stderr.split())


def test_one_bot_owns_a_state_folder(hub: LocalHub, tmp_path: Path) -> None:
    with started(hub, tmp_path):
        ended = subprocess.run(
            command(tmp_path),
            env=environment(hub, tmp_path),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert ended.returncode == 2
    assert "another bot works in" in ended.stderr
