"""A Hub on loopback with two users: an operator whose token reads a private base, and a member who can't read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from adapter_merge import assemble, pipeline
from adapter_merge.hub.client import connect
from adapter_merge.hub.edge import HubEdge
from adapter_merge.hub.retry import Patience
from adapter_merge.localhub import LocalHub
from adapter_merge.merges import roster_of
from adapter_merge.ports import Silent, Surroundings
from adapter_merge.reconcile import expand, sync
from adapter_merge.report import Report
from adapter_merge.request import Request
from adapter_merge.running import Machine
from tests.build import Case, change_json, make_case

# The operator is a member of `vault`, whose base is private; the member, `mia`, only of `acme`.
OPERATOR, MEMBER = "hf_operator", "hf_mia"
SECRET, OPEN = "vault/base", "vault/open"
ADAPTER, TARGET = "acme/lora", "acme/lora-merged"
QUICK = {"probe": "off", "workers": 1}


@dataclass(frozen=True, kw_only=True)
class Office:
    """The Hub, and runs with the operator's token."""

    hub: LocalHub
    root: Path
    case: Case

    def api(self, token: str = OPERATOR) -> HfApi:
        return HfApi(endpoint=self.hub.url, token=token)

    def stock(self) -> None:
        """The base, private and open, and an adapter of the member that names the private one."""
        self.hub.add_user("operator", OPERATOR)
        self.hub.add_user("mia", MEMBER)
        self.hub.add_organisation("vault", {"operator": "write"})
        self.hub.add_organisation("acme", {"operator": "write", "mia": "write"})
        (self.case.base / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Base\n")
        self.add_base(SECRET, private=True)
        self.add_base(OPEN)
        self.add_adapter(ADAPTER, base=SECRET)

    def add_base(self, repo: str, *, private: bool = False, token: str = OPERATOR) -> None:
        self._add(repo, self.case.base, token, private=private)

    def add_adapter(
        self, repo: str, *, base: str, token: str = MEMBER, private: bool = False, **commit: Any
    ) -> str:
        """Push the adapter as a user; the result is the commit."""
        config = self.case.adapter / "adapter_config.json"
        change_json(config, base_model_name_or_path=base)
        return self._add(repo, self.case.adapter, token, private=private, **commit)

    def _add(
        self, repo: str, folder: Path, token: str, *, private: bool = False, **commit: Any
    ) -> str:
        api = self.api(token)
        api.create_repo(repo, exist_ok=True, private=private)
        added = [CommitOperationAdd(p.name, p) for p in sorted(folder.iterdir())]
        return str(api.create_commit(repo, added, commit_message="Add", **commit).oid)

    def machine(self, token: str | None = OPERATOR) -> Machine:
        client = connect(
            endpoint=self.hub.url,
            cache=self.root / "cache",
            token=token,
            patience=Patience(tries=2, sleep=lambda _: None),
        )
        edge = HubEdge(client)
        around = Surroundings(cache=self.root / "cache", hub=lambda: edge, work=self.root / "work")
        return replace(assemble.this_machine(), around=around)

    def run(self, *adapters: str, **wish: Any) -> Report:
        """`adapter-merge run` with the operator's token."""
        asked = {"adapters": adapters or (ADAPTER,), "to": TARGET, **QUICK, **wish}
        request = Request.model_validate(asked)
        return pipeline.run(request, reporter=Silent(), machine=self.machine())

    def sync(self, merges: str, **wish: Any) -> dict[str, Report]:
        """`adapter-merge sync` with the operator's token, an hour later; the reports by target."""
        roster = roster_of(merges.encode())
        machine = self.machine()
        reports = sync(
            expand(roster, machine.around),
            reporter=Silent(),
            machine=machine,
            now=datetime.now(UTC) + timedelta(hours=1),
            each=lambda _: None,
            **wish,
        )
        return {str(report.to): report for report in reports}

    def can_read(self, token: str, repo: str) -> bool:
        """Whether a user gets the weights of a repository."""
        try:
            self.api(token).auth_check(repo)
        except HfHubHTTPError:
            return False
        return True

    def exists(self, repo: str) -> bool:
        return bool(self.api().repo_exists(repo))

    def environment(self, home: Path, token: str = OPERATOR) -> Mapping[str, str]:
        """That of a command with the operator's token."""
        own = {"HF_ENDPOINT": self.hub.url, "HF_TOKEN": token, "HF_HOME": str(home)}
        return {**own, "HF_HUB_DISABLE_XET": "1"}


def office(root: Path) -> Office:
    """One that isn't stocked yet; its Hub is entered by the caller."""
    return Office(hub=LocalHub(root / "hub", xet=False), root=root, case=make_case(root / "case"))
