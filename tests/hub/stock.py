"""Put repositories on a Hub on loopback, and open them as a run does."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from huggingface_hub import CommitOperationAdd, HfApi
from safetensors.numpy import save

from adapter_merge.hub import client, snapshot
from adapter_merge.hub.client import Client
from adapter_merge.hub.retry import Limits, Patience
from adapter_merge.hub.snapshot import Snapshot
from adapter_merge.localhub import LocalHub
from adapter_merge.request import RepoRef

WEIGHTS = "model.safetensors"
TOKEN = "hf_ownerstoken"


def weights(*values: int, name: str = "w", metadata: Mapping[str, str] | None = None) -> bytes:
    """A safetensors file of one row of bytes."""
    content: bytes = save({name: np.array(values, np.uint8)}, dict(metadata) if metadata else None)
    return content


class Stocked:
    """A Hub with an owner `org`, a cache of its own, and short ways to both."""

    def __init__(self, server: LocalHub, tmp: Path, *, xet: bool) -> None:
        self.server = server
        self.cache = tmp / "cache"
        self.waits: list[float] = []
        self.limits = Limits()
        self._tmp = tmp
        self._xet = xet
        server.add_user("org", TOKEN)

    def add(self, repo: str, files: Mapping[str, bytes], *, private: bool = False) -> str:
        """Make or grow a repository; what ends as weights is a large file. The result is the commit."""
        small = {p: c for p, c in files.items() if not p.endswith(".safetensors")}
        commit = self.server.add_repo(repo, small, private=private)
        for path in sorted(files.keys() - small.keys()):
            commit = self.add_large(repo, path, files[path])
        return commit

    def add_large(self, repo: str, path: str, content: bytes, *, says: bytes | None = None) -> str:
        """Commit a large file; with `says` its digest is of other bytes than it has."""
        if self._xet and says is None:
            found = HfApi(endpoint=self.server.url, token=TOKEN).create_commit(
                repo, [CommitOperationAdd(path, content)], commit_message="Add"
            )
            return str(found.oid)
        sha256 = hashlib.sha256(content if says is None else says).hexdigest()
        source = self._tmp / f"source-{sha256[:12]}"
        source.write_bytes(content)
        return self.server.add_file(repo, path, source, sha256=sha256)

    def stored(self, content: bytes) -> Path:
        """Where this Hub keeps a large file's bytes."""
        return self._tmp / "hub" / "objects" / hashlib.sha256(content).hexdigest()

    def client(self, *, token: str | bool = False, offline: bool = False, tries: int = 3) -> Client:
        """A client that waits for nothing, and counts what it would have waited."""
        return client.connect(
            endpoint=self.server.url,
            cache=self.cache,
            offline=offline,
            token=token,
            patience=Patience(tries=tries, sleep=self.waits.append, limits=self.limits),
        )

    def open(self, text: str, *, token: str | bool = False, offline: bool = False) -> Snapshot:
        """What a run opens for a ref."""
        return snapshot.opened(
            self.client(token=token, offline=offline), RepoRef.model_validate(text)
        )

    def asked(self, method: str = "") -> list[str]:
        """The requests so far, as `METHOD /path`; the last may still have to be written down."""
        seen = -1
        while seen != len(self.server.requests):
            seen = len(self.server.requests)
            time.sleep(0.02)
        return [f"{r.method} {r.path}" for r in self.server.requests if r.method.startswith(method)]
