"""The three places where merges are done, each with a Hub on loopback that has a base and adapters."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from adapter_merge.bot.dispatch import Limits, local
from adapter_merge.bot.dispatch import github as on_github
from adapter_merge.bot.dispatch import jobs as on_the_hub
from adapter_merge.bot.dispatch.local import Local
from adapter_merge.bot.order import Dispatch, Ears, Order, Progress
from adapter_merge.bot.secret import SECRET
from adapter_merge.hub.client import Client, connect
from adapter_merge.hub.retry import Patience
from tests.bot.dispatch.workflow import Repository, bare
from tests.github.steps import edge_of
from tests.github.stub import github_stub
from tests.reconcile.conftest import TOKEN, Shelf

TARGET = "bot/merged"
HOOK_SECRET, GITHUB_TOKEN = "a-secret-of-the-webhook", "ghs_tokenofthebotforgithub"


@dataclass
class Heard:
    """What an order has said so far; `stop_at` is the stage at which it is stopped."""

    stop_at: str | None = None
    lines: list[str] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def ears(self) -> Ears:
        return Ears(
            line=self.lines.append, progress=self._reached, url=self.urls.append, stop=self.stop
        )

    def _reached(self, progress: Progress) -> None:
        self.progress.append(progress)
        if progress.stage == self.stop_at:
            self.stop.set()


@dataclass(frozen=True, kw_only=True)
class Place:
    """A dispatch, the stage of its progress in which weights are pulled, and what it has left behind."""

    dispatch: Dispatch
    stage: str
    left: Callable[[], list[str]]


def order(shelf: Shelf, adapter: str = "bot/one", **more: str) -> Order:
    said = {"adapter": adapter, "to": TARGET, "when": "push", "probe": "off", "workers": "1"}
    entry = ", ".join(f"{name}: {value}" for name, value in {**said, **more}.items())
    return Order(
        target=TARGET,
        adapters={adapter: shelf.hub.head(adapter)},
        document=f"merges:\n- {{{entry}}}\n",
    )


def environment(shelf: Shelf) -> dict[str, str]:
    return bare(HF_ENDPOINT=shelf.hub.url, HF_TOKEN=TOKEN, HF_HOME=str(shelf.root / "home"))


def client(shelf: Shelf) -> Client:
    patience = Patience(tries=2, sleep=lambda _: time.sleep(0.05))
    return connect(
        endpoint=shelf.hub.url, cache=shelf.root / "cache", token=TOKEN, patience=patience
    )


def running(word: str) -> list[str]:
    """Processes whose command has this word."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(word in w for w in words):
            found.append(" ".join(words))
    return found


def _files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def here(shelf: Shelf, *, limits: Limits | None = None, command: tuple[str, ...] = ()) -> Local:
    given = {**environment(shelf), SECRET: HOOK_SECRET, "GITHUB_TOKEN": GITHUB_TOKEN}
    return Local(
        shelf.root / "desks",
        given,
        limits=limits or Limits(look=0.05, grace=10),
        command=command or local.COMMAND,
    )


@contextmanager
def place(name: str, shelf: Shelf, document: str) -> Iterator[Place]:
    match name:
        case "local":
            desks = shelf.root / "desks"
            yield Place(
                dispatch=here(shelf),
                stage="pull",
                left=lambda: [*(_files(desks) if desks.exists() else []), *running(str(desks))],
            )
        case "jobs":
            # Its own program, as this environment may lack the script.
            words = (sys.executable, "-m", "adapter_merge", *on_the_hub.COMMAND[1:])
            yield Place(
                dispatch=on_the_hub.Jobs(
                    client(shelf),
                    on_the_hub.Machine(image="adapter-merge", secrets={"HF_TOKEN": TOKEN}),
                    pace=on_the_hub.Pace(look=0.1),
                    command=words,
                ),
                stage="pull",
                left=lambda: [
                    j.id
                    for j in client(shelf).writer.list_jobs(namespace="bot")
                    if _lives(j.status.stage)
                ],
            )
        case _:
            with github_stub() as stub:
                repository = Repository(
                    stub.state, shelf.root / "actions", environment(shelf), document
                )
                yield Place(
                    dispatch=on_github.Github(
                        edge_of(stub.url), pace=on_github.Pace(look=0.1, begin=10)
                    ),
                    stage="steps",
                    left=lambda: [r.title for r in stub.state.runs if r.conclusion is None],
                )
                repository.close()


def _lives(stage: str) -> bool:
    return stage in {"SCHEDULING", "RUNNING"}
