"""The model repositories of one owner, each as the Hub's list of them has it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from adapter_merge.errors import Corrupt
from adapter_merge.hub.client import Client
from adapter_merge.hub.names import require_plain
from adapter_merge.hub.paging import paged
from adapter_merge.hub.translate import offline
from adapter_merge.remote import Model

_EXPANDED = ("sha", "private", "lastModified", "siblings")
_MOST_PAGES = 100  # of hundreds of repositories each
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")


def models(client: Client, owner: str) -> Iterator[Model]:
    """The repositories that the token for reading may see, read as they are asked for.

    Raises:
        Corrupt: there are too many, or it is no list.
    """
    asked = client.asked(None)
    if client.offline:
        raise offline(asked)
    query = urlencode({"author": owner, "expand": _EXPANDED}, doseq=True)
    url = f"{client.endpoint}/api/models?{query}"
    what = f"the repositories of `{owner}`"
    beyond = Corrupt(
        f"the Hub's list of {what} has more than {_MOST_PAGES} pages",
        hint="Take its `watch` out, and write an entry for each adapter.",
    )
    for entry in paged(client, asked, url, what=what, most=_MOST_PAGES, beyond=beyond):
        # Who asks for one owner's gets no other's, whatever a mirror sends.
        if _is_of(owner, entry.get("id")):
            yield _model(entry)


def _is_of(owner: str, repo: object) -> bool:
    author, _, name = repo.partition("/") if isinstance(repo, str) else ("", "", "")
    return author.casefold() == owner.casefold() and _NAME.fullmatch(name) is not None


def _model(entry: Mapping[str, Any]) -> Model:
    commit = entry.get("sha")
    return Model(
        repo=str(entry["id"]),
        commit=commit if isinstance(commit, str) and _COMMIT.fullmatch(commit) else None,
        # A list that doesn't say so may hide something.
        private=entry.get("private") is not False,
        changed=_moment(entry.get("lastModified")),
        files=_files(entry.get("siblings"), str(entry["id"])),
    )


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _files(siblings: object, repo: str) -> tuple[str, ...] | None:
    """The paths; None where one of them is no path that could be said to people: who opens it is told why."""
    if not isinstance(siblings, list):
        return None
    said = [s.get("rfilename") if isinstance(s, dict) else None for s in siblings]
    paths = tuple(path for path in said if isinstance(path, str))
    try:
        require_plain(paths, repo=repo)
    except Corrupt:
        return None
    return paths if len(paths) == len(said) else None
