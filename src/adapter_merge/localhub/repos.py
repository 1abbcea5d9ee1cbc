"""Repositories as values: files, commits, refs, discussions."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

Kind = Literal["model", "dataset", "space"]
Status = Literal["draft", "open", "closed", "merged"]

KINDS: Mapping[str, Kind] = {"models": "model", "datasets": "dataset", "spaces": "space"}
MAIN = "refs/heads/main"


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file of a tree: git's oid, and for a large one its digest and its hash in the Xet store."""

    size: int
    oid: str
    sha256: str | None = None
    xet: str | None = None

    @property
    def digest(self) -> str:
        """What its bytes are stored under."""
        return self.sha256 or self.oid


Tree = Mapping[str, File]


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """A commit with its whole tree."""

    parents: tuple[str, ...]
    tree: Tree
    title: str
    message: str
    author: str
    date: float

    @property
    def id(self) -> str:
        """Made of all that it holds, as git does; not git's own."""
        content = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha1(content.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What happened in a discussion, as the Hub's API spells it."""

    id: str
    type: str
    author: str
    date: float
    data: Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Discussion:
    """A discussion; with `base`, the ref that it shall go to, it is a pull request."""

    num: int
    title: str
    author: str
    date: float
    status: Status = "open"
    base: str | None = None
    merged_as: str | None = None
    events: tuple[Event, ...] = ()

    @property
    def ref(self) -> str:
        """Where the commits of a pull request are."""
        return f"refs/pr/{self.num}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Repo:
    """A repository; its commits are kept beside it."""

    kind: Kind
    id: str
    owner: str
    oid: str
    created: float
    private: bool = False
    gated: Literal[False, "auto", "manual"] = False
    allowed: frozenset[str] = frozenset()
    resource_group: str | None = None
    refs: Mapping[str, str] = field(default_factory=dict)
    lfs: frozenset[str] = frozenset()
    discussions: tuple[Discussion, ...] = ()

    @property
    def where(self) -> str:
        """Its place under the Hub's address."""
        return self.id if self.kind == "model" else f"{self.kind}s/{self.id}"


def identity() -> str:
    """A new id, as the Hub has them."""
    return secrets.token_hex(12)


def git_oid(content: bytes) -> str:
    """What git calls these bytes."""
    framed = b"blob %d\0" % len(content) + content
    return hashlib.sha1(framed, usedforsecurity=False).hexdigest()


def pointer_oid(sha256: str, size: int) -> str:
    """What git calls the pointer that stands for a large file."""
    version = "https://git-lfs.github.com/spec/v1"
    return git_oid(f"version {version}\noid sha256:{sha256}\nsize {size}\n".encode())


def full_ref(revision: str) -> str:
    """The ref that a commit to this revision moves."""
    return revision if revision.startswith("refs/") else f"refs/heads/{revision}"


def sound_ref(ref: str) -> bool:
    """Whether git would take it as a ref."""
    return re.fullmatch(r"refs/\w+/\w[\w.\-/]*", ref) is not None and ".." not in ref


def sound_path(path: str) -> bool:
    """Whether a file in a repository may be called so."""
    parts = path.split("/")
    return all(part not in ("", ".", "..", ".git") for part in parts)


def iso(seconds: float | None = None) -> str:
    """A time as the Hub writes it."""
    at = time.time() if seconds is None else seconds
    millis = int(at % 1 * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{millis:03}Z"
