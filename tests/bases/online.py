"""A Hub on loopback with bases and adapters of some kilobytes, and requests that are resolved on it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapter_merge.errors import AdapterMergeError
from adapter_merge.hub.client import connect
from adapter_merge.hub.edge import HubEdge
from adapter_merge.hub.retry import Patience
from adapter_merge.localhub import LocalHub
from adapter_merge.ports import Surroundings
from adapter_merge.request import Request
from adapter_merge.sources import Sources
from adapter_merge.stages.resolve import resolve
from tests.build import write_adapter, write_base

_OF_MODELS = re.compile(r"/api/models/(?P<repo>[^/]+/[^/?]+)")


@dataclass(frozen=True, kw_only=True)
class Online:
    """A Hub, and a machine that may ask it anonymously; `place` is for what is uploaded."""

    hub: LocalHub
    place: Path
    waits: list[float]

    def around(self, *, url: str | None = None) -> Surroundings:
        cache = self.place / "cache"
        client = connect(
            endpoint=url or self.hub.url,
            cache=cache,
            token=False,
            patience=Patience(tries=5, sleep=self.waits.append),
        )
        return Surroundings(cache=cache, hub=lambda: HubEdge(client), work=self.place / "work")

    def put(self, repo: str, folder: Path) -> str:
        """Make a repository of a folder's files; the result is the commit."""
        files = {
            p.relative_to(folder).as_posix(): p.read_bytes()
            for p in folder.rglob("*")
            if p.is_file()
        }
        return self.hub.add_repo(repo, files)

    def base(self, repo: str, *, card: str = "", **config: object) -> str:
        folder = write_base(self.place / repo, None, **config)
        (folder / "README.md").write_text(card)
        return self.put(repo, folder)

    def adapter(self, repo: str, base: object, *, card: str = "", **config: object) -> str:
        config = {"base_model_name_or_path": base, **config}
        folder = write_adapter(self.place / repo, None, **config)
        (folder / "README.md").write_text(card)
        return self.put(repo, folder)

    def resolve(self, *adapters: str, url: str | None = None, **settings: object) -> Sources:
        request = Request.model_validate({"adapters": adapters, **settings})
        return resolve(request, around=self.around(url=url))

    def error(
        self, *adapters: str, url: str | None = None, **settings: object
    ) -> AdapterMergeError:
        with pytest.raises(AdapterMergeError) as caught:
            self.resolve(*adapters, url=url, **settings)
        return caught.value

    def asked(self) -> set[str]:
        """The repositories that the Hub was asked for."""
        found = (_OF_MODELS.match(r.path) for r in self.hub.requests)
        return {match["repo"] for match in found if match is not None}


def card(base: str) -> str:
    return f"---\nbase_model: {base}\n---\n"


def commands(hint: str) -> list[list[str]]:
    return [shlex.split(c) for c in re.findall(r"`((?:adapter-merge|hf) [^`]+)`", hint)]


@pytest.fixture
def online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Online]:
    """A Hub, and an empty folder to work in."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with LocalHub(tmp_path / "hub", xet=False) as hub:
        yield Online(hub=hub, place=tmp_path / "away", waits=[])
