"""Repositories on a Hub as values: their files, a target as it stands, and what is sent to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from pathlib import Path

from adapter_merge.readme import README, Readme
from adapter_merge.receipt import RECEIPT_NAME, Receipt

# What the Hub itself writes into a new repository, or needs to know which files are large.
OF_THE_HUB = frozenset({".gitattributes"})
# The files of a result that its receipt doesn't list.
UNLISTED = frozenset({README, RECEIPT_NAME})


class Access(IntEnum):
    """Who may read a repository; the higher, the fewer."""

    OPEN = 0
    GATED = 1
    PRIVATE = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class RepoFacts:
    """What decides who reaches a repository, beside its visibility.

    Attributes:
        repo: its id as the Hub writes it, another one than was asked for where it was renamed.
        in_group: whether it is in a resource group of its organization; None where the Hub does not say.
    """

    repo: str
    in_group: bool | None


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
        page: where people look at the repository.
    """

    repo: str
    branch: str | None
    head: str | None
    access: Access | None
    files: Mapping[str, RemoteFile]
    receipt: Receipt | None
    readme: Readme | None
    tags: Mapping[str, str]
    page: str

    @property
    def foreign(self) -> tuple[str, ...]:
        """Files that no receipt of this program lists: somebody else's."""
        listed = set(self.receipt.files) if self.receipt is not None else set()
        beside = UNLISTED if self.receipt is not None else frozenset()
        return tuple(sorted(self.files.keys() - listed - beside - OF_THE_HUB))


def page_of(repository: str, commit: str, pull_request: int | None = None) -> str:
    """Where people look at a commit of the repository that has this page, or at a pull request."""
    if pull_request is not None:
        return f"{repository}/discussions/{pull_request}"
    return f"{repository}/commit/{commit}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """A file of another repository that the Hub can copy by itself."""

    repo: str
    commit: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A file that a commit puts: what it holds, and the ways to its bytes, of which it has at least one.

    Attributes:
        size: in bytes.
        sha256: of the content; None where only git's sha1 is known.
        oid: git's sha1 of the content; None of large files, which no Hub keeps as such.
        local: where it lies here.
        origin: where the Hub finds it; where it doesn't take that, `local` is sent.
    """

    size: int
    sha256: str | None = None
    oid: str | None = None
    local: Path | None = None
    origin: Origin | None = None

    def equals(self, file: RemoteFile | None) -> bool:
        """Whether a file on a Hub holds the same."""
        if file is None or file.size != self.size:
            return False
        if file.sha256 is not None:
            return file.sha256 == self.sha256
        return file.oid == self.oid


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """One commit that is to be made, whole: nothing of it is decided later.

    Attributes:
        repo: `org/name`.
        branch: None is `main`.
        parent: the commit that it follows; None where the repository or the branch is made first.
        pull_request: whether it is proposed, not made on the branch.
        access: who could read the repository when this was decided; None where it isn't there yet.
        private: of a repository that is made; None leaves it to the organisation's default.
        gated: whether readers have to ask, of a repository that is made.
        pieces: path there -> what it gets; files that stay as they are aren't among them.
        deletions: paths there.
        kept: what is to stand there beside `pieces`, and stood there when this was decided.
        title, trailers: the message; trailers are names and values, in this order.
    """

    repo: str
    branch: str | None
    parent: str | None
    pull_request: bool
    access: Access | None
    private: bool | None
    gated: bool
    pieces: Mapping[str, Piece]
    deletions: tuple[str, ...]
    title: str
    trailers: tuple[tuple[str, str], ...]
    kept: Mapping[str, Piece] = field(default_factory=dict)

    @property
    def create(self) -> bool:
        """Whether the repository is to be made."""
        return self.access is None

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change."""
        return not self.pieces and not self.deletions


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """A commit that stands in a repository.

    Attributes:
        message: all below its title.
        date: with a time zone.
        authors: names of users; empty where the Hub does not say.
    """

    id: str
    title: str
    message: str
    date: datetime
    authors: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A pull request that isn't merged: its number, whether it is still open, and its head's full commit."""

    number: int
    is_open: bool
    commit: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A model repository as a Hub's list of them has it.

    Attributes:
        repo: `org/name`.
        commit: the head of its main branch; None where the list doesn't say.
        private: whether only some may see it.
        changed: when anything in it last changed; None where the list doesn't say.
        files: the paths of all files at that commit; None where the list doesn't say.
    """

    repo: str
    commit: str | None = None
    private: bool = False
    changed: datetime | None = None
    files: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A commit that stands on a Hub, read back there.

    Attributes:
        commit: the full commit; of a pull request, its head.
        url: where people look at it.
        pull_request: the number of it; None for a commit on a branch.
        moved: bytes of the files that were handed over; a Hub that knows parts of them asks for less.
        found: whether an earlier run had made it already.
        access: who may read the repository now.
    """

    commit: str
    url: str
    access: Access
    pull_request: int | None = None
    moved: int = 0
    found: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """What a discussion is to be: its first comment, and whether it goes on."""

    text: str
    is_open: bool
