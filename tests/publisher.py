"""Whole runs to a Hub on loopback, by somebody who publishes where people write, too."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd

from adapter_merge import assemble, pipeline
from adapter_merge.hub.client import connect
from adapter_merge.hub.edge import HubEdge
from adapter_merge.hub.retry import Patience
from adapter_merge.ports import Silent, Surroundings
from adapter_merge.report import Report
from adapter_merge.request import Request
from adapter_merge.running import Machine
from tests.hub.whole import NEW, TOKEN, Runs

TARGET = "bot/merged"


class Publisher:
    """A Hub with a base and an adapter, and somebody who publishes what is made of them."""

    def __init__(self, runs: Runs, folder: Path) -> None:
        self.runs = runs
        self.work = folder / "work"
        self._cache = folder / "cache"

    def machine(
        self, token: str | bool = TOKEN, write: str | None = None, edge: type[HubEdge] = HubEdge
    ) -> Machine:
        client = connect(
            endpoint=self.runs.hub.url,
            cache=self._cache,
            token=token,
            write_token=write,
            patience=Patience(tries=2, sleep=lambda _: None),
        )
        around = Surroundings(cache=self._cache, hub=lambda: edge(client), work=self.work)
        return replace(assemble.this_machine(), around=around)

    def __call__(self, machine: Machine | None = None, **wish: Any) -> Report:
        asked = {"adapters": (NEW,), "to": TARGET, "probe": "off", "workers": 1, **wish}
        request = Request.model_validate(asked)
        return pipeline.run(request, reporter=Silent(), machine=machine or self.machine())

    def read(self, path: str, revision: str = "main") -> bytes:
        return self.runs.hub.read(TARGET, path, revision=revision)

    def write(self, files: Mapping[str, bytes], revision: str = "main") -> None:
        added = [CommitOperationAdd(path, content) for path, content in files.items()]
        self.runs.api.create_commit(TARGET, added, commit_message="By hand", revision=revision)

    def write_raw(self, path: str, content: bytes) -> None:
        """What the client itself would refuse to send."""
        source = self.work.parent / "raw"
        source.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        self.runs.hub.add_file(TARGET, path, source, sha256=digest)

    def tags(self) -> dict[str, str]:
        return {t.name: t.target_commit for t in self.runs.api.list_repo_refs(TARGET).tags}


def failed(report: Report) -> tuple[str, int, str, str]:
    assert report.error is not None, report
    return report.error.type, report.error.code, report.error.message, report.error.hint
