"""The Hub's state: what it keeps under its folder, and the questions that all calls ask of it."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from adapter_merge.errors import RequestError
from adapter_merge.localhub.disk import Document, Repos, replace_file
from adapter_merge.localhub.jobs import Job, Jobs, Order
from adapter_merge.localhub.repos import KINDS, MAIN, Commit, Repo, identity
from adapter_merge.localhub.store import Objects
from adapter_merge.localhub.users import People, access
from adapter_merge.localhub.webhooks import (
    Happening,
    Payload,
    Post,
    Webhook,
    addressed,
    payload,
)
from adapter_merge.localhub.wire import Ask, Problem
from adapter_merge.localhub.xet import XetStore

Need = Literal["read", "files", "propose", "write"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How this Hub differs from another."""

    xet: bool = True
    lfs_threshold: int = 10_000_000  # bytes from which a file is a large one, whatever its name
    page: int = 1000  # entries of a list in one answer


class State:
    """Everything that outlives a request. What changes it holds `lock`; the values that it has are frozen."""

    def __init__(self, data: Path, settings: Settings) -> None:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)  # tokens lie there
        self._held = _hold(data)
        self.settings = settings
        self.url = ""
        self.lock = threading.RLock()
        self.closed = False
        self.xet = XetStore(data)
        self.objects = Objects(data, self.xet)
        self.repos = Repos(data / "repos")
        self.people = Document(data / "people.json", TypeAdapter(People), People())
        self.hooks = Document(data / "webhooks.json", TypeAdapter(dict[str, Webhook]), {})
        self.shelves = Document(
            data / "collections.json", TypeAdapter(dict[str, dict[str, object]]), {}
        )
        self.jobs = Jobs(data)
        self.post = Post()
        self._key = _key(data / "key")

    def close(self) -> None:
        """Stop what runs, and let another server have the folder."""
        with self.lock:
            self.closed = True
        self.post.stop()
        self.jobs.stop()
        os.close(self._held)

    def sign(self, digest: str) -> str:
        """What an address of a large file carries, so that only who was given it can ask."""
        return hmac.new(self._key, digest.encode(), hashlib.sha256).hexdigest()

    def reach(self, ask: Ask, plural: str, name: str, need: Need = "read") -> Repo:
        """The repository that a call is about.

        Raises:
            Problem: it isn't there, or the caller may not do this with it; what is private looks to
                strangers as if it weren't there.
        """
        repo = self.repos.get(KINDS[plural], name.removeprefix("_/"))
        allowed = access(self.people.value, ask.token, repo) if repo is not None else None
        if repo is None or allowed is None or not allowed.read:
            status = 404 if ask.token is not None else 401
            raise Problem(status, "Repository not found", "RepoNotFound")
        if need != "read" and not allowed.files:
            raise Problem(
                403 if ask.token is not None else 401,
                f"Access to {repo.kind} {repo.id} is restricted and you are not in the authorized list. Visit {self.url}/{repo.where} to ask for access.",
                "GatedRepo",
            )
        if (need == "write" and not allowed.write) or (need == "propose" and not allowed.propose):
            ask.user()
            raise Problem(403, f"Forbidden: no permission to write to `{repo.id}`")
        return repo

    def resolve(self, repo: Repo, revision: str) -> str:
        """The commit that a branch, a tag, a ref or the beginning of a commit's id names.

        Raises:
            Problem: nothing is called so.
        """
        for ref in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
            if ref in repo.refs:
                return repo.refs[ref]
        if re.fullmatch(r"[0-9a-f]{7,40}", revision):
            found = self.repos.names(repo, revision)
            if len(found) == 1:
                return found[0]
        raise Problem(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def at(self, repo: Repo, revision: str) -> tuple[str, Commit]:
        """A commit with its id; see `resolve`."""
        name = self.resolve(repo, revision)
        return name, self.repos.commit(repo, name)

    def move(self, repo: Repo, ref: str, commit: str | None) -> Repo:
        """Have a ref lead to another commit, or to none; not yet kept."""
        kept = {name: held for name, held in repo.refs.items() if name != ref}
        return replace(repo, refs=kept if commit is None else {**kept, ref: commit})

    def tell(self, repo: Repo, happening: Happening) -> None:
        """Tell all webhooks that want to know."""
        told = payload(happening, repo, url=self.url, head=repo.refs.get(MAIN))
        for hook in self.hooks.value.values():
            if hook.wants(repo, happening.scope):
                self.send(hook, addressed(told, hook))

    def send(self, hook: Webhook, told: Payload) -> None:
        """Tell one webhook: post it, or run its job."""
        if hook.job is None:
            self.post.send(hook, told)
            return
        source = self.jobs.get(hook.job)
        if source is None:
            return
        order = replace(source.order, secrets=tuple(hook.secrets or {}))
        self.run(order, {**(hook.secrets or {}), **_of_webhook(hook, told)})
        self.post.note(hook, told)

    def run(self, order: Order, environment: Mapping[str, str]) -> Job:
        """Run a job, which finds this Hub by its environment."""
        given = {"HF_ENDPOINT": self.url, **environment}
        return self.jobs.start(identity(), order, given)


def _of_webhook(hook: Webhook, told: Payload) -> dict[str, str]:
    """What a job is told that a webhook runs."""
    about = told["repo"]
    assert isinstance(about, dict)  # noqa: S101 - ours, see `payload`
    return {
        "WEBHOOK_PAYLOAD": json.dumps(told),
        "WEBHOOK_REPO_ID": str(about["name"]),
        "WEBHOOK_REPO_TYPE": str(about["type"]),
        "WEBHOOK_SECRET": hook.secret or "",
    }


def _hold(data: Path) -> int:
    """Keep other servers from this folder; the lock goes with the process."""
    fd = os.open(data / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        os.close(fd)
        raise RequestError(
            f"`{data}` is served by another Hub", hint="Stop it, or give another folder."
        ) from e
    return fd


def _key(path: Path) -> bytes:
    if not path.exists():
        replace_file(path, secrets.token_bytes(32))
    return path.read_bytes()
