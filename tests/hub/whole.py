"""Whole runs from adapter and base to a target on a Hub on loopback, each with a target and a cache of its own."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.utils import _xet

from adapter_merge import assemble, pipeline
from adapter_merge.hub.client import connect
from adapter_merge.hub.edge import HubEdge
from adapter_merge.hub.retry import Limits, Patience
from adapter_merge.localhub import LocalHub
from adapter_merge.localhub.journal import Logged
from adapter_merge.ports import Silent, Surroundings
from adapter_merge.receipt import RECEIPT_NAME, Receipt
from adapter_merge.report import Report
from adapter_merge.request import Request as Wanted
from tests.build import Case, change_json, make_case

TOKEN = "hf_bot"
OLD, NEW, BASE = "bot/adapter@v1", "bot/adapter", "bot/base"
_BY_HAND = "Kept, whatever comes.\n"
_DIGESTS = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a run meets at its target, and what it makes there."""

    again: bool  # an older result of ours stands there
    proposes: bool

    def __str__(self) -> str:
        return f"{'again' if self.again else 'first'}-{'pr' if self.proposes else 'commit'}"


KINDS = [Kind(again=again, proposes=pr) for again in (False, True) for pr in (False, True)]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One request of a run: its line whatever the target is called, and the how many-th of its like it is."""

    text: str
    number: int
    answered: int  # bytes

    @property
    def writes(self) -> bool:
        return not self.text.startswith(("GET", "HEAD"))

    def pattern(self, target: str) -> str:
        named = self.text.replace("TARGET", target)
        return f"^{re.escape(named).replace('DIGEST', '[0-9a-f]+')}$"


class Runs:
    """A Hub with a base and two commits of an adapter, and runs on it."""

    def __init__(self, hub: LocalHub, root: Path, case: Case | None = None) -> None:
        self.hub = hub
        self._root = root
        self._case = case or make_case(root / "case")
        self._count = 0
        self._cards: dict[Kind, str] = {}
        self._stock()

    @property
    def api(self) -> HfApi:
        return HfApi(endpoint=self.hub.url, token=TOKEN)

    def _stock(self) -> None:
        self.hub.add_user("bot", TOKEN)
        case = self._case
        (case.base / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Base\n")
        config = case.adapter / "adapter_config.json"
        change_json(config, base_model_name_or_path=BASE)
        for name, folder in ((BASE, case.base), (NEW, case.adapter)):
            self.api.create_repo(name)
            added = [CommitOperationAdd(p.name, p) for p in sorted(folder.iterdir())]
            self.api.create_commit(name, added, commit_message="Add")
        self.api.create_tag(NEW, tag="v1")
        self.change(alpha=4)

    def change(self, *, alpha: int) -> str:
        """Commit another adapter; the result is the commit."""
        config = self._case.adapter / "adapter_config.json"
        change_json(config, lora_alpha=alpha)
        made = self.api.upload_file(
            repo_id=NEW, path_or_fileobj=config, path_in_repo=config.name, commit_message="Train on"
        )
        return str(made.oid)

    def folder(self, which: str) -> Path:
        """The folder that the `base` or the `adapter` came from."""
        return self._case.adapter if which == "adapter" else self._case.base

    def target(self, kind: Kind) -> Target:
        """A new one, as that kind of run meets it."""
        self._count += 1
        target = Target(self, f"bot/t{self._count}x", kind)
        if kind.again:
            report = target.run(adapter=OLD, publish="commit")
            assert report.status == "merged", report.error
            target.write(_BY_HAND)
        return target

    def machine(self, folder: Path, limits: Limits | None) -> Any:
        patience = Patience(tries=3, sleep=lambda _: None, limits=limits or Limits())
        cache = folder / "cache"
        # A run is a process of its own: the client knows no tokens of the Xet store yet.
        _xet.XET_CONNECTION_INFO_CACHE.clear()
        _xet.abort_xet_session()
        client = connect(endpoint=self.hub.url, cache=cache, token=TOKEN, patience=patience)
        edge = HubEdge(client)
        around = Surroundings(cache=cache, hub=lambda: edge, work=folder / "work")
        return replace(assemble.this_machine(), around=around)

    def place(self, name: str) -> Path:
        return self._root / name.replace("/", "--")

    def recorded(self, kind: Kind) -> list[Line]:
        """The requests of a run of that kind that goes well."""
        target = self.target(kind)
        before = len(self.hub.requests)
        report = target.run()
        made = self.hub.requests[before:]
        assert report.status == "merged", report.error
        target.require_done_once()
        self._cards[kind] = target.card()
        assert (_BY_HAND in self._cards[kind]) == kind.again
        return list(_lines(made, target.name))

    def require_same(self, target: Target) -> None:
        """It ended as a run that goes well does."""
        target.require_done_once()
        assert target.card() == self._cards[target.kind]


def _lines(requests: tuple[Logged, ...], target: str) -> Iterator[Line]:
    seen: dict[str, int] = {}
    for request in requests:
        text = _DIGESTS.sub("DIGEST", f"{request.method} {request.path}").replace(target, "TARGET")
        seen[text] = seen.get(text, -1) + 1
        yield Line(text=text, number=seen[text], answered=request.sent)


class Target:
    """A repository that runs publish to."""

    def __init__(self, runs: Runs, name: str, kind: Kind) -> None:
        self.name = name
        self.kind = kind
        self._runs = runs
        self._folder = runs.place(name)

    def run(self, *, adapter: str = NEW, limits: Limits | None = None, publish: str = "") -> Report:
        wanted = publish or ("pr" if self.kind.proposes else "commit")
        asked = {"adapters": (adapter,), "to": self.name, "probe": "off", "workers": 1}
        request = Wanted.model_validate({**asked, "publish": wanted})
        machine = self._runs.machine(self._folder, limits)
        return pipeline.run(request, reporter=Silent(), machine=machine)

    def write(self, text: str) -> None:
        """Somebody adds a line to the card."""
        card = self._read("README.md", "main") + text.encode()
        added = [CommitOperationAdd("README.md", card)]
        self._runs.api.create_commit(self.name, added, commit_message="Say more")

    def card(self) -> str:
        """The newest result's card, whatever the target is called."""
        revision = "refs/pr/1" if self.kind.proposes else "main"
        return (
            self._read("README.md", revision)
            .decode()
            .replace(self.name.removeprefix("bot/"), "TARGET")
        )

    def require_whole(self) -> None:
        """Every commit that a reader could have seen is one that a run made whole, or empty."""
        if not self._runs.api.repo_exists(self.name):
            return
        for revision in ("main", *self._proposals()):
            for commit in self._runs.api.list_repo_commits(self.name, revision=revision):
                self._require_whole(commit.commit_id)

    def _require_whole(self, commit: str) -> Receipt | None:
        files = set(self._runs.api.list_repo_files(self.name, revision=commit)) - {".gitattributes"}
        if not files:
            return None
        receipt = Receipt.model_validate_json(self._read(RECEIPT_NAME, commit))
        assert files == {*receipt.files, "README.md", RECEIPT_NAME}
        for path, record in receipt.files.items():
            content = self._read(path, commit)
            assert hashlib.sha256(content).hexdigest() == record.sha256, path
        return receipt

    def _read(self, path: str, commit: str) -> bytes:
        return self._runs.hub.read(self.name, path, revision=commit)

    def require_done_once(self) -> None:
        """One commit with the right bytes, and one tag at it; or one pull request, and nothing else."""
        older = int(self.kind.again)
        proposals = self._proposals()
        main, tags = self.merges(), self.tags()
        if self.kind.proposes:
            assert len(proposals) == 1
            assert len(main) == len(tags) == older
        else:
            assert proposals == []
            assert len(main) == len(tags) == older + 1
            assert self._runs.hub.head(self.name) in tags
        self.require_whole()
        revision = proposals[0] if self.kind.proposes else "main"
        receipt = self._require_whole(self._runs.hub.head(self.name, revision=revision))
        assert receipt is not None
        assert receipt.adapters[0].commit == self._runs.hub.head(NEW)

    def _proposals(self) -> list[str]:
        found = self._runs.api.get_repo_discussions(self.name, discussion_type="pull_request")
        return [f"refs/pr/{d.num}" for d in found]

    def merges(self) -> list[str]:
        """Commits of results, newest first."""
        if not self._runs.api.repo_exists(self.name):
            return []
        commits = self._runs.api.list_repo_commits(self.name)
        return [c.commit_id for c in commits if c.title.startswith("Merge")]

    def tags(self) -> list[str]:
        """The commits that have one, once for each."""
        return [t.target_commit for t in self._runs.api.list_repo_refs(self.name).tags]

    def adapter(self) -> str | None:
        """The adapter's commit that stands on the main branch."""
        receipt = self._require_whole(self._runs.hub.head(self.name))
        return None if receipt is None else receipt.adapters[0].commit

    def left(self) -> list[str]:
        """What lies in the folder in which results for a Hub are made."""
        work = self._folder / "work"
        return sorted(p.name for p in work.iterdir()) if work.exists() else []

    @contextmanager
    def read_all_along(self) -> Iterator[None]:
        """Somebody who looks again and again at what stands on the Hub sees only whole results."""
        seen: set[str] = set()
        stop = threading.Event()
        url = f"{self._runs.hub.url}/api/models/{self.name}/revision/main"
        page = Request(url, headers={"Authorization": f"Bearer {TOKEN}"})  # noqa: S310 - it is ours

        def look() -> None:
            while not stop.is_set():
                with suppress(HTTPError), urlopen(page) as answer:  # noqa: S310
                    seen.add(json.load(answer)["sha"])
                time.sleep(0.01)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        for commit in seen:
            self._require_whole(commit)
