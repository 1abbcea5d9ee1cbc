"""The Hub's cache on this machine, as every program keeps it: `models--org--name/{refs,blobs,snapshots}`.

A file of a snapshot is a link to the blob with its content, whose name is the content's digest; where a
file system has no links it is the content itself. Source: huggingface_hub `file_download.py`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub.file_download import repo_folder_name

from adapter_merge.errors import DiskFull
from adapter_merge.hub.client import Client
from adapter_merge.hub.listing import Place
from adapter_merge.hub.names import require_plain
from adapter_merge.hub.translate import offline
from adapter_merge.remote import RemoteFile

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_LINKS = 8  # from a snapshot to its content there are at most two
_CHUNK = 4 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """Where the cache keeps one commit of a repository, or a folder of it; it needn't be there."""

    cache: Path
    blobs: Path
    root: Path

    @classmethod
    def of(cls, cache: Path, place: Place) -> Shelf:
        """The shelf of a place."""
        home = _home(cache, place.repo)
        root = home / "snapshots" / place.commit / (place.subfolder or "")
        return cls(cache=cache, blobs=home / "blobs", root=root)

    def lies(self, path: str, size: int) -> bool:
        """Whether a file of that size is here."""
        file = self.root / path
        return file.is_file() and file.stat().st_size == size

    def holds(self, file: RemoteFile) -> bool:
        """Whether a blob with its content is here, if only for another commit."""
        return (self.blobs / (file.sha256 or file.oid)).is_file()

    def has(self, path: str, file: RemoteFile) -> bool:
        """Whether it needn't be downloaded: it is here, if only for another commit."""
        return self.lies(path, file.size) or self.holds(file)

    def remove(self, path: str) -> None:
        """Take a file away with its blob, so that no program meets it again."""
        at = self.root / path
        for _ in range(_MOST_LINKS):
            if not at.absolute().parent.resolve().is_relative_to(self.cache.resolve()):
                return
            goal = at.parent / at.readlink() if at.is_symlink() else None
            at.unlink(missing_ok=True)
            if goal is None:
                return
            at = goal

    def files(self) -> Mapping[str, RemoteFile]:
        """What lies here, by path; a blob's name is its digest, as the Hub would tell it."""
        found: dict[str, RemoteFile] = {}
        for parent, folders, names in os.walk(self.root):
            folders[:] = sorted(f for f in folders if not f.startswith("."))
            for file in (Path(parent, name) for name in sorted(names)):
                if file.is_file():
                    found[file.relative_to(self.root).as_posix()] = _known(file)
        return found

    def folds_case(self) -> bool:
        """Whether the disk takes two names for one that differ in case only."""
        standing = next(p for p in (self.cache, *self.cache.parents) if p.exists())
        other = standing.with_name(standing.name.swapcase())
        return other != standing and other.exists() and other.samefile(standing)

    def require_room(self, count: int) -> None:
        """See to it that the disk has room for that many bytes.

        Raises:
            DiskFull: it has less.
        """
        left = _free(next(p for p in (self.cache, *self.cache.parents) if p.exists()))
        if left < count:
            raise DiskFull(
                f"{count / 1e9:.1f} GB are to be downloaded to `{self.cache}`, where {left / 1e9:.1f} GB are free",
                hint="Free some space, or put the Hub's cache on another disk with `HF_HOME`.",
            )


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _home(cache: Path, repo: str) -> Path:
    return cache / repo_folder_name(repo_id=repo, repo_type="model")


def _known(file: Path) -> RemoteFile:
    size = file.stat().st_size
    name = file.readlink().name if file.is_symlink() else ""
    if _SHA256.fullmatch(name):
        return RemoteFile(size=size, oid="", sha256=name)
    if _COMMIT.fullmatch(name):
        return RemoteFile(size=size, oid=name)
    unnamed = RemoteFile(size=size, oid="", sha256="")
    return replace(unnamed, sha256=content_digest(file, unnamed).removeprefix("sha256:"))


def content_digest(file: Path, listed: RemoteFile) -> str:
    """The digest of a file here, in the form that the Hub has for it; see `RemoteFile.digest`."""
    if listed.sha256 is not None:
        form, digest = "sha256", hashlib.sha256()
    else:
        form, digest = "git", hashlib.sha1(usedforsecurity=False)
        digest.update(b"blob %d\0" % file.stat().st_size)
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return f"{form}:{digest.hexdigest()}"


def note_revision(client: Client, repo: str, revision: str | None, commit: str) -> None:
    """Write down which commit a branch or tag has, so that offline mode finds it."""
    if revision == commit:
        return
    ref = _ref(client, repo, revision)
    if ref.is_file() and ref.read_text(errors="replace") == commit:
        return
    ref.parent.mkdir(parents=True, exist_ok=True)
    new = ref.with_name(f".{ref.name}.{os.getpid()}")
    new.write_text(commit)
    new.replace(ref)


def _ref(client: Client, repo: str, revision: str | None) -> Path:
    name = revision or "main"
    require_plain((name,), repo=repo)
    return _home(client.cache, repo) / "refs" / name


def commit_here(client: Client, repo: str, revision: str | None) -> str:
    """The commit that a revision has in the cache; it is as old as the last look at the Hub.

    Raises:
        NotFound: the cache has none.
    """
    name = revision or "main"
    asked = client.asked(repo, revision=name)
    commit = name
    if not _COMMIT.fullmatch(name):
        ref = _ref(client, repo, revision)
        commit = ref.read_text(errors="replace").strip() if ref.is_file() else ""
    snapshot = _home(client.cache, repo) / "snapshots" / commit
    if not _COMMIT.fullmatch(commit) or not snapshot.is_dir():
        raise offline(asked)
    return commit
