"""Results of some kilobytes to be published, and a Hub on loopback that gets them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants

from adapter_merge.hub.client import connect
from adapter_merge.hub.edge import HubEdge
from adapter_merge.hub.retry import Patience
from adapter_merge.localhub import LocalHub
from adapter_merge.publishing import Publishing
from adapter_merge.receipt import FileRecord, FindingRecord, Receipt, SourceRecord
from adapter_merge.remote import Access, RemoteFile, RemoteTarget
from adapter_merge.report import Published
from adapter_merge.request import RepoRef
from adapter_merge.sending import Result, card_pieces, git_oid, parties_of, pieces_of
from adapter_merge.stages.publish import publish, tagged

BASE, ADAPTER, TARGET = "org/base", "org/adapter", "org/merged"
OPEN = {BASE: Access.OPEN, ADAPTER: Access.OPEN}
TOKEN, READER = "hf_bot", "hf_reader"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def weights(seed: int, size: int = 3_000) -> bytes:
    """Bytes that no store can shorten."""
    return b"".join(hashlib.sha256(b"%d %d" % (seed, n)).digest() for n in range(size // 32))


def files(*shards: int) -> dict[str, bytes]:
    """A model of so many shards, each of its own content."""
    of = len(shards)
    named = {f"model-{n + 1:05}-of-{of:05}.safetensors": weights(s) for n, s in enumerate(shards)}
    return {"config.json": b'{"model_type": "llama"}', **named}


def receipt(
    contents: Mapping[str, bytes],
    *,
    recipe: str = "one",
    base: str = BASE,
    adapters: tuple[str, ...] = (ADAPTER,),
    findings: tuple[FindingRecord, ...] = (),
) -> Receipt:
    """What lists these files; sources that are folders have no commit."""
    return Receipt(
        schema_version=1,
        recipe=digest(recipe),
        base=source(base),
        adapters=tuple(source(a) for a in adapters),
        settings={"layout": "merged"},
        counts={},
        changes=(),
        left_behind={},
        findings=findings,
        versions={},
        files={
            path: FileRecord(size=len(content), sha256=hashlib.sha256(content).hexdigest())
            for path, content in contents.items()
        },
    )


def source(name: str) -> SourceRecord:
    commit = None if name.startswith(".") else digest(name)[:40]
    digests = {"adapter_model.safetensors": f"sha256:{digest(name)}"}
    return SourceRecord(source=name, commit=commit, weight=1.0, digests=digests)


def finding(code: str, **evidence: object) -> FindingRecord:
    return FindingRecord(
        code=code, outcome="warn", subject="licence", message="it says so", evidence=evidence
    )


def sealed(
    folder: Path,
    contents: Mapping[str, bytes],
    *,
    card: str = "# Merged\n",
    access: Mapping[str, Access | None] = OPEN,
    **told: Any,
) -> Result:
    """A sealed folder, as `seal` leaves it."""
    made = receipt(contents, **told)
    for path, content in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / "README.md").write_text(card)
    (folder / "merge_receipt.json").write_text(made.model_dump_json(indent=2) + "\n")
    return Result(
        receipt=made,
        parties=parties_of(made.base, made.adapters, access),
        pieces=pieces_of(folder, made),
    )


def new_card(folder: Path, result: Result, card: str) -> Result:
    """The same result with another card."""
    folder.mkdir(exist_ok=True)
    (folder / "README.md").write_text(card)
    return Result(
        receipt=result.receipt,
        parties=result.parties,
        pieces=card_pieces(folder),
        card_only=True,
    )


def on_a_hub(contents: Mapping[str, bytes]) -> dict[str, RemoteFile]:
    """These files as a Hub lists them: weights by sha256."""
    return {
        path: RemoteFile(
            size=len(content),
            oid=git_oid(content),
            sha256=hashlib.sha256(content).hexdigest() if path.endswith(".safetensors") else None,
        )
        for path, content in contents.items()
    }


def target(**values: Any) -> RemoteTarget:
    """A target that isn't there yet, but for these values."""
    nothing: dict[str, Any] = {
        "repo": TARGET,
        "branch": None,
        "head": None,
        "access": None,
        "files": {},
        "receipt": None,
        "readme": None,
        "tags": {},
        "page": f"https://hub.test/{TARGET}",
    }
    return RemoteTarget(**{**nothing, **values})


@dataclass(frozen=True, kw_only=True)
class Stand:
    """A Hub, and ours to talk to it."""

    hub: LocalHub
    edge: HubEdge
    waits: list[float]

    def target(self, repo: str = TARGET, branch: str | None = None) -> RemoteTarget:
        return self.edge.target(RepoRef.model_validate(repo), branch)

    def publish(
        self,
        result: Result,
        *,
        at: RemoteTarget | None = None,
        overwrite: bool = False,
        advance: Callable[[int], None] | None = None,
        **wish: Any,
    ) -> Published:
        """Publish to the target as it stands, or as it was seen."""
        wanted = Publishing.model_validate(wish)
        seen = at or self.target(branch=wanted.branch)
        made = publish(result, seen, wanted, hub=self.edge, overwrite=overwrite, advance=advance)
        return tagged(made, result, seen, wanted, hub=self.edge)

    def read(self, path: str, revision: str = "main") -> bytes:
        return self.hub.read(TARGET, path, revision=revision)

    def files(self, revision: str = "main") -> set[str]:
        commit = self.hub.head(TARGET, revision=revision)
        return set(self.edge.files(TARGET, commit)) - {".gitattributes"}

    def commits(self, revision: str = "main") -> list[str]:
        """Titles, newest first."""
        return [commit.title for commit in self.edge.history(TARGET, revision)]

    @property
    def api(self) -> HfApi:
        """Somebody else with the same rights."""
        return HfApi(endpoint=self.hub.url, token=TOKEN)

    def write(self, files: Mapping[str, bytes], message: str = "by hand", **options: Any) -> None:
        """Somebody else's commit."""
        added = [CommitOperationAdd(path, content) for path, content in files.items()]
        self.api.create_commit(TARGET, added, commit_message=message, **options)

    def requests(self) -> list[int]:
        """Numbers of the open pull requests."""
        return [d.num for d in self.api.get_repo_discussions(TARGET, discussion_status="open")]

    def asked(self, part: str) -> int:
        """How many requests had this in their line."""
        return sum(part in f"{r.method} {r.path}" for r in self.hub.requests)


@contextmanager
def standing(folder: Path, *, xet: bool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """A Hub with an organisation, its bot and somebody who only reads."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", not xet)
    waits: list[float] = []
    with LocalHub(folder / "data", xet=xet) as hub:
        hub.add_user("bot", TOKEN)
        hub.add_user("reader", READER)
        hub.add_organisation("org", {"bot": "write"})
        client = connect(
            endpoint=hub.url,
            cache=folder / "cache",
            token=TOKEN,
            patience=Patience(tries=2, sleep=waits.append),
        )
        yield Stand(hub=hub, edge=HubEdge(client), waits=waits)
