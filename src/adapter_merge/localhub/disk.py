"""State on the disk: values as JSON, each replaced by a rename.

A kill of the server at any moment leaves the old value or the new one, never half of one. It is not
made for a loss of power: nothing is synced.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter

from adapter_merge.localhub.repos import Commit, Kind, Repo

Value = TypeVar("Value")

_COMMIT = TypeAdapter(Commit)


class Document(Generic[Value]):
    """One value and the file that keeps it."""

    def __init__(self, path: Path, kind: TypeAdapter[Value], empty: Value) -> None:
        self._path = path
        self._kind = kind
        self.value = kind.validate_json(path.read_bytes()) if path.exists() else empty

    def put(self, value: Value) -> None:
        """Keep another value from now on."""
        replace_file(self._path, self._kind.dump_json(value))
        self.value = value


def replace_file(path: Path, content: bytes) -> None:
    """Give a file other content, in one step."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


class Repos:
    """All repositories: a folder for each, with its value and its commits."""

    _REPO = TypeAdapter(Repo)

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)
        for folder in root.iterdir():
            if not (folder / "repo.json").exists():
                shutil.rmtree(folder)  # a server was killed while it made or removed it
        found = [self._REPO.validate_json(p.read_bytes()) for p in sorted(root.glob("*/repo.json"))]
        self._repos = {(repo.kind, repo.id): repo for repo in found}
        self._commits: dict[str, Commit] = {}

    def __iter__(self) -> Iterator[Repo]:
        return iter(sorted(self._repos.values(), key=lambda repo: repo.created))

    def get(self, kind: Kind, name: str) -> Repo | None:
        """A repository by its id."""
        return self._repos.get((kind, name))

    def put(self, repo: Repo) -> None:
        """Keep a repository as it is now; a new one is there from this moment."""
        (self._folder(repo) / "commits").mkdir(parents=True, exist_ok=True)
        replace_file(self._folder(repo) / "repo.json", self._REPO.dump_json(repo))
        old = next((key for key, held in self._repos.items() if held.oid == repo.oid), None)
        if old is not None:
            del self._repos[old]
        self._repos[repo.kind, repo.id] = repo

    def remove(self, repo: Repo) -> None:
        """Forget a repository."""
        (self._folder(repo) / "repo.json").unlink()
        del self._repos[repo.kind, repo.id]
        shutil.rmtree(self._folder(repo), ignore_errors=True)

    def add_commit(self, repo: Repo, commit: Commit) -> str:
        """Keep a commit, which no ref leads to yet; the result is its id."""
        folder = self._folder(repo) / "commits"
        folder.mkdir(parents=True, exist_ok=True)
        name = commit.id
        replace_file(folder / f"{name}.json", _COMMIT.dump_json(commit))
        self._commits[name] = commit
        return name

    def commit(self, repo: Repo, name: str) -> Commit:
        """A commit by its whole id."""
        if name not in self._commits:
            content = (self._folder(repo) / "commits" / f"{name}.json").read_bytes()
            self._commits[name] = _COMMIT.validate_json(content)
        return self._commits[name]

    def names(self, repo: Repo, start: str) -> list[str]:
        """The ids of all commits that begin so."""
        return [path.stem for path in (self._folder(repo) / "commits").glob(f"{start}*.json")]

    def copy_commits(self, source: Repo, target: Repo) -> None:
        """Give a repository the commits of another."""
        folder = self._folder(target) / "commits"
        folder.mkdir(parents=True, exist_ok=True)
        for path in (self._folder(source) / "commits").glob("*.json"):
            os.link(path, folder / path.name)

    def _folder(self, repo: Repo) -> Path:
        return self._root / repo.oid
