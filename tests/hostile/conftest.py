"""Whole runs on a Hub on loopback whose repositories were made to do harm."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from rich.console import Console

from adapter_merge import assemble, pipeline
from adapter_merge.cli.talk import Talk
from adapter_merge.hub.client import connect
from adapter_merge.hub.edge import HubEdge
from adapter_merge.hub.retry import Patience
from adapter_merge.kept import report_json
from adapter_merge.localhub import LocalHub, Settings
from adapter_merge.pages import page
from adapter_merge.ports import Surroundings
from adapter_merge.report import Report
from adapter_merge.request import Request
from tests.build import change_json, contents, make_case

TOKEN = "hf_secretofthebot"
BASE, ADAPTER, TARGET = "bot/base", "bot/adapter", "bot/merged"
REPOS = (BASE, ADAPTER, TARGET)
# Where a run may write.
OWN = ("cache", "work")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A run and all that it said, as people, programs and browsers get it."""

    report: Report
    screen: str
    json: str
    page: str

    @property
    def failure(self) -> tuple[str, int]:
        """Class and exit code of its error."""
        error = self.report.error
        assert error is not None, self.screen
        assert error.message
        assert error.hint
        return error.type, error.code

    def require_inert(self) -> None:
        """Nothing that was said steers a terminal, a runner of GitHub or a browser."""
        assert not [c for c in self.screen if not c.isprintable() and c != "\n"]
        lines = self.screen.splitlines()
        assert not [line for line in lines if line.lstrip().startswith("::") or "##[" in line]
        assert not [c for c in self.json if not c.isprintable() and c != "\n"]
        assert not [line for line in self.json.splitlines() if line.lstrip().startswith("::")]
        assert json.loads(self.json)
        lowered = self.page.lower()
        assert "<script>alert" not in lowered
        assert "<img src=x" not in lowered


@dataclass(kw_only=True)
class Place:
    """The Hub, its repositories' files, and what a run leaves."""

    root: Path
    hub: LocalHub
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def stock(self, added: Mapping[str, Mapping[str, bytes]] | None = None) -> None:
        """Base and adapter of a good merge, and what else these repositories shall have."""
        case = make_case(self.root / "case")
        change_json(case.adapter / "adapter_config.json", base_model_name_or_path=BASE)
        card = {"README.md": b"---\nlicense: apache-2.0\n---\n# Words\n"}
        good = {BASE: case.base, ADAPTER: case.adapter}
        for repo in REPOS:
            own = {**contents(good[repo]), **card} if repo in good else {}
            files = {**own, **(added or {}).get(repo, {})}
            if files:
                self.hub.add_repo(repo, files)
        self.before = self.stray()

    def run(self, talk: Any = None, **settings: object) -> Ended:
        """Merge onto the target; nothing is run, and nobody waits."""
        wanted = {"adapters": (ADAPTER,), "to": TARGET, "probe": "off", "workers": 1, **settings}
        screen = io.StringIO()
        reporter = talk or Talk(console=Console(file=screen, width=100, markup=False, emoji=False))
        report = pipeline.run(
            Request.model_validate(wanted), reporter=reporter, machine=self._machine()
        )
        return Ended(
            report=report, screen=screen.getvalue(), json=report_json(report), page=page(report)
        )

    def _machine(self) -> Any:
        cache, work = (self.root / name for name in OWN)
        client = connect(
            endpoint=self.hub.url,
            cache=cache,
            token=TOKEN,
            patience=Patience(tries=2, sleep=lambda _: None),
        )
        edge = HubEdge(client)
        machine = assemble.this_machine()
        around = replace(machine.around, cache=cache, hub=lambda: edge, work=work)
        assert isinstance(around, Surroundings)
        return replace(machine, around=around)

    def stray(self) -> set[str]:
        """Files that lie neither in the cache, nor in the work folder, nor in the Hub."""
        return {
            p.relative_to(self.root).as_posix()
            for p in self.root.rglob("*")
            if p.is_file() and p.relative_to(self.root).parts[0] not in (*OWN, "hub")
        }

    def require_nothing_left(self) -> None:
        """No result, no half of one, no file where none belongs, and nothing on the Hub."""
        assert self.stray() == self.before
        work = self.root / "work"
        assert not (list(work.iterdir()) if work.exists() else [])

    def head(self, repo: str = TARGET) -> str | None:
        """Where the target stands; None where there is none."""
        try:
            return self.hub.head(repo)
        except Exception:  # the Hub has no such repository
            return None

    def card(self) -> str:
        """The card that was published."""
        return self.hub.read(TARGET, "README.md").decode()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A Hub with the user `bot`, and no repositories yet."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with LocalHub(tmp_path / "hub", settings=Settings(xet=False, page=10_000)) as hub:
        hub.add_user("bot", TOKEN)
        yield Place(root=tmp_path, hub=hub)
