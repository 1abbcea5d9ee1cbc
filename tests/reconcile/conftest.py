"""A Hub on loopback with a base and adapters, and syncs on it at a time that is handed in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants

from adapter_merge import assemble
from adapter_merge.hub.client import connect
from adapter_merge.hub.edge import HubEdge
from adapter_merge.hub.retry import Patience
from adapter_merge.localhub import LocalHub
from adapter_merge.merges import roster_of
from adapter_merge.ports import Silent, Surroundings
from adapter_merge.reconcile import Decision, Failed, decisions, sync
from adapter_merge.report import Report
from adapter_merge.running import Machine
from tests.build import Case, change_json, make_case

TOKEN, READER = "hf_bot", "hf_reader"
HEAD = "defaults: {probe: off, workers: 1}\nmerges:\n"


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """What there is, and the machine that syncs it."""

    hub: LocalHub
    root: Path
    case: Case

    @property
    def api(self) -> HfApi:
        return HfApi(endpoint=self.hub.url, token=TOKEN)

    def add(self, repo: str, folder: Path, title: str = "Add") -> str:
        """Commit all of a folder to a repository, which is made where it isn't there."""
        self.api.create_repo(repo, exist_ok=True)
        added = [CommitOperationAdd(p.name, p) for p in sorted(folder.iterdir())]
        return str(self.api.create_commit(repo, added, commit_message=title).oid)

    def adapter(self, repo: str, title: str = "Add", **config: object) -> str:
        """Push the adapter, with these values in its config."""
        change_json(self.case.adapter / "adapter_config.json", **config)
        return self.add(repo, self.case.adapter, title)

    def write(self, repo: str, path: str, content: bytes, title: str = "by hand") -> str:
        added = [CommitOperationAdd(path, content)]
        return str(self.api.create_commit(repo, added, commit_message=title).oid)

    def machine(self, *, write_token: str | None = None) -> Machine:
        patience = Patience(tries=2, sleep=lambda _: None)
        client = connect(
            endpoint=self.hub.url,
            cache=self.root / "cache",
            token=TOKEN,
            write_token=write_token,
            patience=patience,
        )
        edge = HubEdge(client)
        around = Surroundings(cache=self.root / "cache", hub=lambda: edge, work=self.root / "work")
        return replace(assemble.this_machine(), around=around)

    def sync(
        self,
        entries: str,
        *,
        later: timedelta = timedelta(hours=1),
        dry: bool = False,
        rebuild: bool = False,
        write_token: str | None = None,
        each: Callable[[Report], None] = lambda _: None,
    ) -> dict[str, Report]:
        """Sync as if it were `later`; the reports by their targets."""
        wanted = roster_of(f"{HEAD}{entries}".encode()).entries
        reports = sync(
            [w.again() for w in wanted] if rebuild else wanted,
            reporter=Silent(),
            machine=self.machine(write_token=write_token),
            now=datetime.now(UTC) + later,
            each=each,
            dry=dry,
        )
        return {str(report.to): report for report in reports}

    def decisions(self, entries: str) -> tuple[Decision | Failed, ...]:
        wanted = roster_of(f"{HEAD}{entries}".encode()).entries
        now = datetime.now(UTC) + timedelta(hours=1)
        return decisions(wanted, machine=self.machine(), now=now)

    def titles(self, repo: str) -> list[str]:
        """Of its commits, newest first, but for that which made it."""
        return [c.title for c in self.api.list_repo_commits(repo)][:-1]

    def receipt(self, repo: str, revision: str = "main") -> Any:
        return json.loads(self.hub.read(repo, "merge_receipt.json", revision=revision))

    def requests(self) -> int:
        return len(self.hub.requests)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """`bot/base`, and the adapters `bot/one` and `bot/two` that name it."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with LocalHub(tmp_path / "hub", xet=False) as hub:
        hub.add_user("bot", TOKEN)
        hub.add_user("reader", READER, role="read")
        made = Shelf(hub=hub, root=tmp_path, case=make_case(tmp_path / "case"))
        (made.case.base / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Base\n")
        made.add("bot/base", made.case.base)
        for name in ("bot/one", "bot/two"):
            made.adapter(name, base_model_name_or_path="bot/base")
        yield made
