"""Every file of one commit, from the Hub's tree of it: names and digests, before a byte of them is pulled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from adapter_merge.errors import Corrupt, NotFound
from adapter_merge.hub.client import Client
from adapter_merge.hub.names import require_apart, require_plain
from adapter_merge.hub.paging import paged
from adapter_merge.hub.translate import Asked
from adapter_merge.remote import RemoteFile

MOST_FILES = 50_000  # the largest model repositories have some thousands
_MOST_PAGES = 200  # of a thousand entries each, folders among them
_SHA1 = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where on a Hub: one commit of a repository, or one folder of it."""

    repo: str
    commit: str
    subfolder: str | None = None

    def inside(self, path: str) -> str:
        """The path in the repository of one in the folder."""
        return f"{self.subfolder}/{path}" if self.subfolder else path


def listed(client: Client, place: Place) -> Mapping[str, RemoteFile]:
    """Every file below the place, by its path there.

    Raises:
        NotFound: there is no such folder.
        Corrupt: there are too many, or one can't be what the list says.
    """
    asked = client.asked(place.repo, revision=place.commit, path=place.subfolder)
    found: dict[str, RemoteFile] = {}
    for entry in _entries(client, place, asked):
        if entry.get("type") != "file":
            continue
        path, file = _file(entry, place)
        if path in found:
            raise _wrong(place, f"`{path}` twice")
        found[path] = file
        if len(found) > MOST_FILES:
            raise _too_many(place)
    require_apart(found, repo=place.repo, folds=False)
    if not found and place.subfolder:
        raise NotFound(
            f"`{place.repo}` has no folder `{place.subfolder}` at `{place.commit}`",
            hint=f"{asked.page}/tree/{place.commit} lists what it has.",
        )
    return found


def _entries(client: Client, place: Place, asked: Asked) -> Iterator[dict[str, Any]]:
    below = f"/{quote(place.subfolder, safe='')}" if place.subfolder else ""
    url = f"{client.endpoint}/api/models/{place.repo}/tree/{place.commit}{below}?recursive=true&expand=false"
    what = f"the files of {asked.thing}"
    return paged(client, asked, url, what=what, most=_MOST_PAGES, beyond=_too_many(place))


def _file(entry: Mapping[str, Any], place: Place) -> tuple[str, RemoteFile]:
    path = entry.get("path")
    if not isinstance(path, str):
        raise _wrong(place, "a file without a name")
    require_plain((path,), repo=place.repo)
    prefix = place.inside("")
    if not path.startswith(prefix):
        raise _wrong(place, f"`{path}`, which isn't in `{place.subfolder}`")
    size, oid, large, xet = (entry.get(k) for k in ("size", "oid", "lfs", "xetHash"))
    sha256 = large.get("oid") if isinstance(large, dict) else None
    if isinstance(large, dict) and large.get("size", size) != size:
        raise _wrong(place, f"`{path}` with two sizes, {size} and {large['size']}")
    if type(size) is not int or size < 0 or not _is(_SHA1, oid):
        raise _wrong(place, f"`{path}` without size and digest")
    if large is not None and not _is(_SHA256, sha256):
        raise _wrong(place, f"`{path}` without its sha256")
    file = RemoteFile(size=size, oid=str(oid), sha256=sha256, xet=isinstance(xet, str))
    return path.removeprefix(prefix), file


def _is(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _wrong(place: Place, what: str) -> Corrupt:
    return Corrupt(
        f"the Hub's list of the files of `{place.repo}` at `{place.commit}` has {what}",
        hint="Run the same command again; if it stays so, take another revision.",
    )


def _too_many(place: Place) -> Corrupt:
    return Corrupt(
        f"`{place.repo}` has more than {MOST_FILES} files; a model has some dozens",
        hint=f"Name the folder that is meant: `{place.repo}@{place.commit}/sub/folder`.",
    )
