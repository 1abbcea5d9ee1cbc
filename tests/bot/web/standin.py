"""A bot that looks at nothing: it knows what it watches, and remembers its hints; and a server around it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from urllib.parse import urlsplit

from adapter_merge.bot.record import Record
from adapter_merge.bot.standing import Standing
from adapter_merge.bot.web.app import Beside, app
from adapter_merge.bot.web.server import Hasty, address, listen, server

SECRET = "a secret of thirty-two characters"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WELL = Standing(
    started=NOW - timedelta(hours=1),
    interval=timedelta(minutes=5),
    looked=NOW - timedelta(minutes=1),
)


@dataclass(kw_only=True)
class Still:
    """Implements `Bot`; hints of a repository that are still to be looked at count as one."""

    watched: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"acme/adapter": ("refs/heads/main",)}
    )
    targets: frozenset[str] = frozenset({"acme/merged"})
    how: Standing = WELL
    kept: tuple[Record, ...] = ()
    hints: list[str] = field(default_factory=list)

    def watches(self, repo: str, ref: str | None = None) -> bool:
        refs = self.watched.get(repo, ())
        return bool(refs) if ref is None else ref in refs

    def outputs(self, repo: str) -> bool:
        return repo in self.targets

    def hint(self, repo: str) -> bool:
        new = repo not in self.hints
        self.hints.append(repo)
        return new

    def standing(self) -> Standing:
        return self.how

    def records(self) -> tuple[Record, ...]:
        return self.kept


class Quick(Hasty):
    """Gives up soon."""

    seconds = 0.5
    most = 30


@contextmanager
def served(bot: Still, beside: Beside | None = None) -> Iterator[str]:
    """The real server on loopback, in a thread; the value is its address."""
    beside = beside or Beside(clock=lambda: NOW)
    running = server(app(bot, SECRET, beside), Quick)
    listening = listen("127.0.0.1", 0)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    url = address(listening)
    thread.start()
    try:
        yield url
    finally:
        running.should_exit = True
        thread.join(10)
    assert not thread.is_alive()


def asked(
    url: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Status and body of one request on a connection of its own; a body is posted."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET" if body is None else "POST", path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
