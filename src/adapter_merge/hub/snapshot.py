"""One commit of a repository on a Hub, as the stages read it: little of it is ever pulled."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from huggingface_hub.utils import validate_repo_id

from adapter_merge.checkpoint import WeightFile
from adapter_merge.errors import Corrupt, HubUnavailable, NotFound, RequestError
from adapter_merge.hub.cache import Shelf, commit_here, note_revision
from adapter_merge.hub.client import Client
from adapter_merge.hub.download import Download
from adapter_merge.hub.listing import Place, listed
from adapter_merge.hub.names import require_apart, require_plain
from adapter_merge.hub.ranges import Remote
from adapter_merge.hub.translate import offline, translated
from adapter_merge.remote import Access, RemoteFile
from adapter_merge.request import RepoRef
from adapter_merge.sources import Pinned
from adapter_merge.weights import read_header

_COMMIT = re.compile(r"[0-9a-f]{40}")


class Snapshot:
    """Implements `ports.Repository`; safe to ask from several threads."""

    def __init__(
        self,
        client: Client,
        place: Place,
        listing: Mapping[str, RemoteFile],
        *,
        ref: RepoRef,
        access: Access | None,
    ) -> None:
        self._revision = ref.revision
        self._client = client
        self._place = place
        self._listing = {path: file for path, file in listing.items() if not _is_hidden(path)}
        self._shelf = Shelf.of(client.cache, place)
        self._settled: set[str] = set()
        self._headers: dict[str, bytes] = {}
        self.files: Mapping[str, int] = {path: file.size for path, file in self._listing.items()}
        self.pinned = Pinned(
            source=ref.text,
            root=self._shelf.root,
            repo=place.repo,
            commit=place.commit,
            subfolder=place.subfolder,
            access=access,
            have=self.have,
            is_here=self._is_here,
        )

    @property
    def listing(self) -> Mapping[str, RemoteFile]:
        """Every file with its digest, as the Hub lists it."""
        return self._listing

    def have(self, paths: Collection[str], advance: Callable[[int], None] | None = None) -> None:
        """See to it that these files lie below `pinned.root`, whole; `advance` gets their bytes.

        Raises:
            NotFound: the repository has no such file; offline, the cache.
            Corrupt: a file isn't what was listed, or another one than its header was read from.
            DiskFull: there is no room for them.
        """
        tell = advance or (lambda _count: None)
        wanted = {path: self._listed(path) for path in dict.fromkeys(paths)}
        new = {p: f for p, f in wanted.items() if p not in self._settled}
        if new:
            self._bring(new, tell)
        for path in new:
            self._require_same_header(path)
        self._settled |= new.keys()
        tell(sum(f.size for p, f in wanted.items() if p not in new))

    def _is_here(self, path: str) -> bool:
        return self._shelf.has(path, self._listed(path))

    def _bring(self, files: Mapping[str, RemoteFile], tell: Callable[[int], None]) -> None:
        place = self._place
        require_apart(files, repo=place.repo, folds=self._shelf.folds_case())
        Download(client=self._client, place=place, shelf=self._shelf, files=files).bring(tell)
        if not self._client.offline:
            note_revision(self._client, place.repo, self._revision, place.commit)

    def header(self, path: str) -> WeightFile:
        """The header of a safetensors file, from a small part of it.

        Raises:
            NotFound: there is no such file.
            Corrupt: it is none.
        """
        file = self._listed(path)
        if self._client.offline or self._shelf.lies(path, file.size):
            self.have((path,))
            return read_header(self.pinned.root / path, name=path)
        found = self._remote(path, file).header()
        self._headers[path] = found.header
        return found

    def span(self, path: str, start: int, count: int) -> bytes:
        """Bytes of a file, from `start`.

        Raises:
            NotFound: there is no such file.
            Corrupt: it has fewer.
        """
        file = self._listed(path)
        if not self._client.offline and not self._shelf.lies(path, file.size):
            return self._remote(path, file).span(start, count)
        self.have((path,))
        with (self.pinned.root / path).open("rb") as content:
            content.seek(start)
            found = content.read(count)
        if len(found) != count:
            raise Corrupt(
                f"`{path}` of `{self._place.repo}` ends before byte {start + count}",
                hint="Run the same command again; if it stays so, take another revision.",
            )
        return found

    def digest(self, path: str, weights: WeightFile | None = None) -> str:
        """The Hub's own digest: sha256 of a large file, git's of a small one."""
        return self._listed(path).digest

    def _remote(self, path: str, file: RemoteFile) -> Remote:
        return Remote(client=self._client, place=self._place, path=path, size=file.size)

    def _listed(self, path: str) -> RemoteFile:
        if path not in self._listing:
            place = self._place
            if self._client.offline:
                raise offline(
                    self._client.asked(place.repo, revision=place.commit, path=place.inside(path))
                )
            raise NotFound(
                f"`{self.pinned.source}` has no `{path}`",
                hint=f"That commit is `{place.commit}` of `{place.repo}`; look which files it has.",
            )
        return self._listing[path]

    def _require_same_header(self, path: str) -> None:
        """A file that changed between its header and its body would be merged by a wrong map."""
        header = self._headers.get(path)
        if header is None:
            return
        with (self.pinned.root / path).open("rb") as content:
            if content.read(len(header)) != header:
                raise Corrupt(
                    f"`{path}` of `{self._place.repo}` isn't the file whose header was read before",
                    hint="Run the same command again; behind a proxy or a mirror, ask for the file without it.",
                )


def _is_hidden(path: str) -> bool:
    """Whether it lies in a hidden folder, which no model has; a folder on disk is listed the same way."""
    return any(part.startswith(".") for part in path.split("/")[:-1])


Lists: TypeAlias = Callable[[Client, Place], Mapping[str, RemoteFile]]


def opened(client: Client, ref: RepoRef, lists: Lists = listed) -> Snapshot:
    """Pin a ref of a Hub and list its files, by `lists`.

    Raises:
        RequestError: the ref can't be one.
        RevisionMissing: the repository has no such branch, tag or commit.
        AdapterMergeError: see `translated`.
    """
    assert ref.repo is not None  # noqa: S101 - a ref is a folder or an id
    subfolder = _folder(ref)
    with translated(client.asked(ref.repo)):
        validate_repo_id(ref.repo)
    if client.offline:
        place = Place(
            repo=ref.repo,
            commit=commit_here(client, ref.repo, ref.revision),
            subfolder=subfolder,
        )
        files = Shelf.of(client.cache, place).files()
        return Snapshot(client, place, files, ref=ref, access=None)
    commit, access = pin(client, ref.repo, ref.revision)
    place = Place(repo=ref.repo, commit=commit, subfolder=subfolder)
    return Snapshot(client, place, lists(client, place), ref=ref, access=access)


def _folder(ref: RepoRef) -> str | None:
    if not ref.subfolder or not ref.subfolder.strip("/"):
        return None
    folder = ref.subfolder.strip("/")
    try:
        require_plain((folder,), repo=ref.text)
    except Corrupt as e:
        raise RequestError(
            f"`{ref.text}` names a folder that no repository has",
            hint="Write `org/name/sub/folder`.",
        ) from e
    return folder


def pin(client: Client, repo: str, revision: str | None) -> tuple[str, Access]:
    """The full commit of a revision (None is the main branch), and who may read the repository.

    Raises:
        RevisionMissing: there is no such revision.
        AdapterMergeError: see `translated`.
    """
    asked = client.asked(repo, revision=revision)

    def act() -> tuple[str | None, bool | None, object]:
        with translated(asked):
            found = client.reader.model_info(
                repo, revision=revision, expand=["sha", "private", "gated"]
            )
            return found.sha, found.private, found.gated

    commit, private, gated = client.patience.persist(act)
    if commit is None or _COMMIT.fullmatch(str(commit)) is None:
        raise HubUnavailable(
            f"{asked.host} names no commit of {asked.thing}",
            hint="Check `HF_ENDPOINT`: not every mirror does.",
        )
    if private is not False:  # a mirror that doesn't say so may hide something
        return commit, Access.PRIVATE
    return commit, Access.GATED if gated else Access.OPEN
