"""What stands in a repository that results are published to, asked with the token that publishes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from adapter_merge.errors import Corrupt, NotFound, RequestError
from adapter_merge.hub.client import Client
from adapter_merge.hub.listing import Place, listed
from adapter_merge.hub.paging import paged
from adapter_merge.hub.ranges import Remote
from adapter_merge.hub.translate import translated
from adapter_merge.readme import MOST, README, Readme
from adapter_merge.receipt import RECEIPT_NAME, Receipt
from adapter_merge.remote import Access, Commit, RemoteFile, RemoteTarget
from adapter_merge.sending import git_oid

MAIN = "main"
_MOST_README = 4 * MOST  # bytes
_MOST_RECEIPT = 16 << 20  # bytes; that of a model with ten thousand files has a tenth
_MOST_PAGES = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Refs:
    """Branches and tags with their full commits."""

    branches: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A commit of ours; `found` is whether another run made it, `moved` the bytes that it took this one."""

    commit: str
    pull_request: int | None = None
    found: bool = False
    moved: int = 0


def access_of(client: Client, repo: str) -> Access | None:
    """Who may read a repository; None where there is none, or none that this token may see.

    Raises:
        RequestError: it has another name now.
    """

    def act() -> Any:
        with translated(client.asked(repo)):
            # What it says by default counts parameters and files, too.
            return client.writer.model_info(repo, expand=["private", "gated"])

    try:
        info = client.patience.persist(act)
    except NotFound:
        return None
    if info.id.casefold() != repo.casefold():
        raise RequestError(
            f"`{repo}` was renamed, and is `{info.id}` now", hint=f"Use `--to {info.id}`."
        )
    if info.private:
        return Access.PRIVATE
    return Access.GATED if info.gated else Access.OPEN


def refs_of(client: Client, repo: str) -> Refs:
    """Branches and tags, as they are now."""

    def act() -> Refs:
        with translated(client.asked(repo)):
            found = client.writer.list_repo_refs(repo)
            return Refs(
                branches={ref.name: ref.target_commit for ref in found.branches},
                tags={ref.name: ref.target_commit for ref in found.tags},
            )

    return client.patience.persist(act)


def target_of(
    client: Client, repo: str, branch: str | None, known: RemoteTarget | None = None
) -> RemoteTarget:
    """A target as it stands; nothing of it but small files is pulled, and none of them where its head is `known`."""
    access = access_of(client, repo)
    refs = Refs(branches={}, tags={}) if access is None else refs_of(client, repo)
    head = refs.branches.get(branch or MAIN)
    if known is not None and head is not None and known.head == head:
        return replace(known, access=access, tags=refs.tags)
    files = {} if head is None else files_at(client, repo, head)
    return RemoteTarget(
        repo=repo,
        branch=branch,
        head=head,
        access=access,
        files=files,
        receipt=None if head is None else _receipt(client, Place(repo=repo, commit=head), files),
        readme=None if head is None else _readme(client, Place(repo=repo, commit=head), files),
        tags=refs.tags,
        page=client.asked(repo).page,
    )


def files_at(client: Client, repo: str, commit: str) -> Mapping[str, RemoteFile]:
    """Every file of one commit."""
    return listed(client, Place(repo=repo, commit=commit))


def receipt_at(client: Client, repo: str, commit: str) -> Receipt | None:
    """The receipt of one commit; None where there is none that can be read."""
    return _receipt(client, Place(repo=repo, commit=commit), files_at(client, repo, commit))


def _receipt(client: Client, place: Place, files: Mapping[str, RemoteFile]) -> Receipt | None:
    file = files.get(RECEIPT_NAME)
    if file is None or file.size > _MOST_RECEIPT:
        return None
    try:
        return Receipt.model_validate_json(_content(client, place, RECEIPT_NAME, file))
    except ValidationError:
        return None


def _readme(client: Client, place: Place, files: Mapping[str, RemoteFile]) -> Readme | None:
    file = files.get(README)
    if file is None:
        return None
    if file.size > _MOST_README:
        remote = Remote(client=client, place=place, path=README, size=file.size)
        start = Readme.parse(remote.span(0, _MOST_README).decode(errors="replace"))
        return replace(start, lacks=f"it has more than {MOST:,} characters")
    content = _content(client, place, README, file)
    try:
        return Readme.parse(content.decode())
    except UnicodeDecodeError:
        return replace(Readme.parse(content.decode(errors="replace")), lacks="it is not UTF-8")


def _content(client: Client, place: Place, path: str, file: RemoteFile) -> bytes:
    """A small file whole: what people wrote is published again, so no byte of it may come wrong.

    Raises:
        Corrupt: it isn't what was listed, twice.
    """
    remote = Remote(client=client, place=place, path=path, size=file.size)
    for _ in range(2):
        content = remote.span(0, file.size)
        if file.sha256 is not None and hashlib.sha256(content).hexdigest() == file.sha256:
            return content
        if file.sha256 is None and git_oid(content) == file.oid:
            return content
    raise Corrupt(
        f"`{path}` of `{place.repo}` has other bytes than the Hub's list of files says",
        hint="Run the same command again; behind a proxy or a mirror, ask for the file without it.",
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def history(client: Client, repo: str, revision: str) -> Iterator[Commit]:
    """The commits of a revision, newest first, a page at a time."""
    asked = client.asked(repo, revision=revision)
    url = f"{client.endpoint}/api/models/{repo}/commits/{quote(revision, safe='')}"
    what = f"the commits of `{repo}`"
    beyond = Corrupt(
        f"`{repo}` has more than {_MOST_PAGES} pages of commits", hint="Publish to another one."
    )
    for entry in paged(client, asked, url, what=what, most=_MOST_PAGES, beyond=beyond):
        with translated(asked):
            commit = Commit(
                id=entry["id"],
                title=entry["title"],
                message=entry["message"],
                date=_moment(entry["date"]),
                authors=_authors(entry.get("authors")),
            )
        yield commit


def _authors(listed: object) -> tuple[str, ...]:
    named = (
        [a.get("user") for a in listed if isinstance(a, dict)] if isinstance(listed, list) else []
    )
    return tuple(name for name in named if isinstance(name, str) and name)
