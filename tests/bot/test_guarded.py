"""What the whole bot never does: follow its own results, act for strangers, go where a payload leads, or tell a secret."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

from adapter_merge.bot.secret import SECRET
from adapter_merge.localhub import Fault, Status
from tests.bot.town import GITHUB_TOKEN, TOKEN, WORD, WRITER, Bot, Town, until
from tests.bot.web.told import told

MERGED = "bot/one-merged"
SECRETS = (TOKEN, WRITER, GITHUB_TOKEN, WORD)
PATHS = ("/", "/metrics", "/healthz", "/readyz", f"/merges/{MERGED}", "/merges/bot/two-merged")


@dataclass
class Watcher:
    """Sees the command lines of a bot and its children, as anybody on the machine does, and what children are given."""

    bot: Bot
    lines: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)

    def look(self, stop: threading.Event) -> None:
        while not stop.wait(0.02):
            for process in (psutil.Process(self.bot.process.pid), *self.bot.children()):
                with suppress(psutil.Error):
                    self.lines.add(" ".join(process.cmdline()))
            for child in self.bot.children():
                with suppress(psutil.Error):
                    self.given |= child.environ().keys()


@contextmanager
def watching(bot: Bot) -> Iterator[Watcher]:
    watcher, stop = Watcher(bot), threading.Event()
    thread = threading.Thread(target=watcher.look, args=(stop,))
    thread.start()
    try:
        yield watcher
    finally:
        stop.set()
        thread.join()


def test_no_result_is_followed_and_no_secret_is_told(town: Town) -> None:
    town.more = {"GITHUB_TOKEN": GITHUB_TOKEN}
    town.shelf.adapter("bot/two", base_model_name_or_path="bot/base")
    # A Hub that repeats what it was sent.
    echo = Status(status=403, headers={"X-Error-Message": f"{TOKEN} may not, nor may {WRITER}"})
    town.shelf.hub.fail(Fault(on="/bot/two/", does=echo, times=1_000))
    with town.bot() as bot, watching(bot) as watcher:
        town.install()
        town.shelf.adapter("bot/one")
        until(lambda: bot.state(MERGED) == "merged", bot.told)
        until(lambda: bot.state("bot/two-merged") == "failed", bot.told)
        until(lambda: None not in [d.status for d in town.shelf.hub.deliveries], bot.told)
        until(bot.is_idle, bot.told)
        shown = [bot.asked(path)[1] for path in PATHS]
        shown += [bot.asked(f"/merges/{MERGED}/{more}")[1] for more in ("report", "log")]
    heard = [a for a in bot.audit() if a["event"] == "delivery" and a["repo"] == MERGED]
    assert {a["reason"] for a in heard} >= {"the bot writes to that repository itself"}
    assert {a["result"] for a in heard} == {"ignored"}
    decided = {a["target"] for a in bot.audit() if a["event"] == "decision"}
    assert decided == {MERGED, "bot/two-merged"}
    assert len(town.shelf.titles(MERGED)) == 1

    assert any("bot job" in line for line in watcher.lines)
    assert "HF_TOKEN" in watcher.given
    assert not {SECRET, "GITHUB_TOKEN"} & watcher.given
    files = [*town.state.rglob("*"), town.root / "bot.log", town.root / "audit.jsonl"]
    said = [*shown, *(path.read_bytes() for path in files if path.is_file())]
    said += [line.encode() for line in watcher.lines]
    assert not [text for text in said for secret in SECRETS if secret.encode() in text]
    assert b"***" in b"".join(said)


@dataclass
class Listener:
    """Somebody who must never be asked."""

    port: int
    asked: int = 0


@contextmanager
def listening() -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        listener = Listener(door.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    door.accept()[0].close()
                    listener.asked += 1

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener
        door.shutdown(socket.SHUT_RDWR)
        thread.join()


def leading_to(port: int) -> Iterator[dict[str, Any]]:
    """Deliveries with the right secret that say more than a repository."""
    url = f"http://127.0.0.1:{port}/bot/one"
    addresses = {"web": url, "api": url, "git": url}
    yield told("bot/one", about={"url": addresses, "endpoint": url, "cloneUrl": url})
    yield {**told("bot/one"), "webhook": {"id": "1", "version": 3, "url": url}, "callback": url}
    yield told("bot/one", about={"headSha": url})
    for name in (url, f"bot/{url}", "bot/../stranger/one", "stranger/one", "bot/one@refs/pr/1"):
        yield told(name, about={"url": addresses})
    yield told("bot/one", refs=[{"ref": url, "oldSha": None, "newSha": url}])
    yield told("bot/one", about={"type": url})


def test_a_payload_leads_nowhere(town: Town) -> None:
    town.shelf.hub.add_user("stranger", "hf_stranger")
    files = {p.name: p.read_bytes() for p in town.shelf.case.adapter.iterdir()}
    unfinished = {"adapter_config.json": files["adapter_config.json"]}
    town.shelf.hub.add_repo("bot/one", unfinished)
    town.shelf.hub.add_repo("stranger/one", files)
    with town.bot() as bot, listening() as listener:
        until(lambda: bot.state(MERGED) == "skipped", bot.told)
        before = len(town.shelf.hub.requests)
        for payload in leading_to(listener.port):
            assert bot.posted(json.dumps(payload).encode()) == 202
        time.sleep(0.5)
        until(bot.is_idle, bot.told)
        asked = [str(request) for request in town.shelf.hub.requests[before:]]
        assert asked  # it has looked at what it watches
        assert not [line for line in asked if "stranger" in line or ".." in line]
        assert listener.asked == 0
        assert [r.target for r in bot.records()] == [MERGED]
