"""Repositories on a Hub as values: their files, a target as it stands, and what is sent to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from adapter_merge.readme import README, Readme
from adapter_merge.receipt import RECEIPT_NAME, Receipt

# What the Hub itself writes into a new repository, or needs to know which files are large.
_OF_THE_HUB = frozenset({".gitattributes"})


class Access(IntEnum):
    """Who may read a repository; the higher, the fewer."""

    OPEN = 0
    GATED = 1
    PRIVATE = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteFile:
    """One file at one commit.

    Attributes:
        size: in bytes.
        oid: the sha1 that git has for it; of a large file, for its pointer.
        sha256: of the content, where the Hub keeps it as a large file.
        xet: whether the Hub can copy it to another repository without its bytes.
    """

    size: int
    oid: str
    sha256: str | None = None
    xet: bool = False

    @property
    def digest(self) -> str:
        """What a recipe counts: it changes with the content and with nothing else."""
        return f"sha256:{self.sha256}" if self.sha256 is not None else f"git:{self.oid}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteTarget:
    """A target on a Hub, or one of its branches, as it stands.

    Attributes:
        repo: `org/name`.
        branch: the branch that gets the result; None is `main`.
        head: its full commit; None where there is no such repository or branch yet.
        access: None where the repository isn't there.
        files: by path, at `head`.
        receipt, readme: of `head`; None where there is none that can be read.
        tags: name -> full commit.
    """

    repo: str
    branch: str | None
    head: str | None
    access: Access | None
    files: Mapping[str, RemoteFile]
    receipt: Receipt | None
    readme: Readme | None
    tags: Mapping[str, str]

    @property
    def foreign(self) -> tuple[str, ...]:
        """Files that no receipt of this program lists: somebody else's."""
        listed = set(self.receipt.files) if self.receipt is not None else set()
        beside = {README, RECEIPT_NAME} if self.receipt is not None else set()
        return tuple(sorted(self.files.keys() - listed - beside - _OF_THE_HUB))


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """A file of another repository that the Hub can copy by itself."""

    repo: str
    commit: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """One commit that is to be made, whole: nothing of it is decided later.

    Attributes:
        repo: `org/name`.
        branch: None is `main`.
        parent: the commit that it follows; None where the repository or the branch is made first.
        pull_request: whether it is proposed, not made on the branch.
        create: whether the repository isn't there yet.
        private: of a repository that is made; None leaves it to the organisation's default.
        gated: whether readers have to ask, of a repository that is made.
        additions: path there -> file here.
        copies: path there -> where the Hub finds it; each is a file that would have been added.
        deletions: paths there.
        title, trailers: the message; trailers are `Adapter-Merge-...` -> value, in this order.
    """

    repo: str
    branch: str | None
    parent: str | None
    pull_request: bool
    create: bool
    private: bool | None
    gated: bool
    additions: Mapping[str, Path]
    copies: Mapping[str, Origin]
    deletions: tuple[str, ...]
    title: str
    trailers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A commit that stands on a Hub, read back there.

    Attributes:
        commit: the full commit; of a pull request, its head.
        url: where people look at it.
        pull_request: the number of it; None for a commit on a branch.
        moved: bytes that went over the line.
        kept: bytes of the result that didn't have to: the Hub had them, or copied them by itself.
        found: whether an earlier run had made it already.
    """

    commit: str
    url: str
    pull_request: int | None = None
    moved: int = 0
    kept: int = 0
    found: bool = False
    files: Mapping[str, RemoteFile] = field(default_factory=dict)
