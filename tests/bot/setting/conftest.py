"""A Hub on loopback, a client of it that has no patience, and lists of what is to be merged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapter_merge.hub.client import Client, connect
from adapter_merge.hub.retry import Patience
from adapter_merge.localhub import LocalHub
from adapter_merge.merges import Roster, roster_of

TOKEN = "hf_bot"


@dataclass(frozen=True, kw_only=True)
class Office:
    """What a bot is set up with."""

    hub: LocalHub
    root: Path

    def client(self, token: str | bool = TOKEN) -> Client:
        patience = Patience(tries=2, sleep=lambda _: time.sleep(0.05))
        return connect(
            endpoint=self.hub.url, cache=self.root / "cache", token=token, patience=patience
        )


def roster(*adapters: str, watch: tuple[str, ...] = ()) -> Roster:
    """A list of these adapters and owners."""
    lines = [f'  - {{adapter: {a}, to: "acme/{{name}}-merged"}}' for a in adapters]
    owners = [f'  - {{owner: {o}, to: "{{owner}}/{{name}}-merged"}}' for o in watch]
    parts = [*(["merges:", *lines] if lines else []), *(["watch:", *owners] if owners else [])]
    return roster_of("\n".join(parts).encode())


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A Hub with a user whose token writes, and one whose token only reads."""
    with LocalHub(tmp_path / "hub") as hub:
        hub.add_user("acme", TOKEN)
        hub.add_user("acme", "hf_read", role="read")
        yield Office(hub=hub, root=tmp_path)
