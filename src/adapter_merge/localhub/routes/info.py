"""What a repository is: its page as JSON, lists of them, and whether a card's metadata is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from adapter_merge.localhub import cards
from adapter_merge.localhub.repos import KINDS, Commit, File, Repo, iso
from adapter_merge.localhub.routes.route import route
from adapter_merge.localhub.state import State
from adapter_merge.localhub.users import access, namespace
from adapter_merge.localhub.wire import Answer, Ask, Body, reply


class _Card(Body):
    content: str


def info(state: State, ask: Ask) -> Answer:
    """A repository at its main branch."""
    kind, name = ask.parts
    return _info(state, ask, state.reach(ask, kind, name), "main")


def info_at(state: State, ask: Ask) -> Answer:
    """A repository at a revision."""
    kind, name, revision = ask.parts
    return _info(state, ask, state.reach(ask, kind, name), revision)


def _info(state: State, ask: Ask, repo: Repo, revision: str) -> Answer:
    wanted = _wanted(ask)
    said = described(state, repo, revision, blobs="blobs" in ask.query)
    if not wanted or {"config", "safetensors"} & set(wanted):
        said = {**said, **_read(state, state.at(repo, revision)[1])}
    return reply(_expanded(ask, said))


def described(state: State, repo: Repo, revision: str, *, blobs: bool) -> Mapping[str, object]:
    """All that the API tells of a repository, but for what has to be read out of its weights."""
    name, commit = state.at(repo, revision)
    card = _card(state, commit)
    read = {
        "_id": repo.oid,
        "id": repo.id,
        "modelId": repo.id,
        "author": namespace(repo.id),
        "sha": name,
        "private": repo.private,
        "gated": repo.gated,
        "disabled": False,
        "resourceGroup": _group(repo),
        "lastModified": iso(commit.date),
        "createdAt": iso(repo.created),
        "downloads": 0,
        "likes": 0,
        "tags": cards.tags(card),
        "pipeline_tag": card.get("pipeline_tag"),
        "library_name": card.get("library_name"),
        "cardData": card or None,
        "baseModels": cards.bases(card) or None,
        "usedStorage": sum(file.size for file in commit.tree.values()),
        "siblings": [_sibling(path, file, blobs) for path, file in sorted(commit.tree.items())],
    }
    return {key: held for key, held in read.items() if held is not None}


def _group(repo: Repo) -> Mapping[str, str] | None:
    group = repo.resource_group
    return None if group is None else {"id": group, "name": group}


def _card(state: State, commit: Commit) -> Mapping[str, Any]:
    file = commit.tree.get("README.md")
    if file is None:
        return {}
    try:
        return cards.front(state.objects.read(file).decode("utf-8", "replace")) or {}
    except ValueError:
        return {}


def _sibling(path: str, file: File, blobs: bool) -> Mapping[str, object]:
    if not blobs:
        return {"rfilename": path}
    entry: dict[str, object] = {"rfilename": path, "size": file.size, "blobId": file.oid}
    if file.sha256 is not None:
        entry["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": 134}
    return entry


def _read(state: State, commit: Commit) -> Mapping[str, object]:
    """What the Hub reads out of config and weights."""
    found: dict[str, object] = {}
    if "config.json" in commit.tree:
        found["config"] = cards.config(state.objects.read(commit.tree["config.json"]))
    weights = [
        state.objects.path(file)
        for path, file in commit.tree.items()
        if path.endswith(".safetensors") and "/" not in path and not path.startswith("adapter")
    ]
    numbers = cards.parameters(weights)
    if numbers:
        found["safetensors"] = {"parameters": numbers, "total": sum(numbers.values())}
    return found


def listed(state: State, ask: Ask) -> Answer:
    """The repositories of a kind that the caller sees, of one author where they say so; a page at a time."""
    (plural,) = ask.parts
    author, people = ask.only("author"), state.people.value
    seen = [
        repo
        for repo in state.repos
        if repo.kind == KINDS[plural]
        and author in (None, namespace(repo.id))
        and access(people, ask.token, repo).read
    ]
    start = int(ask.only("cursor") or 0)
    end = start + min(int(ask.only("limit") or state.settings.page), state.settings.page)
    headers = {}
    if end < len(seen):
        query = {**ask.query, "cursor": [str(end)]}
        more = f"{state.url}{ask.path}?{urlencode(query, doseq=True)}"
        headers["Link"] = f'<{more}>; rel="next"'
    return reply([_item(state, ask, repo) for repo in seen[start:end]], headers=headers)


def _item(state: State, ask: Ask, repo: Repo) -> Mapping[str, object]:
    return _expanded(ask, described(state, repo, "main", blobs=False))


def _expanded(ask: Ask, said: Mapping[str, object]) -> Mapping[str, object]:
    """What of it was asked for; all where nothing was named."""
    wanted = _wanted(ask)
    if not wanted:
        return said
    group = {"resourceGroup": said.get("resourceGroup")} if "resourceGroup" in wanted else {}
    return {k: held for k, held in said.items() if k in ("_id", "id", *wanted)} | group


def _wanted(ask: Ask) -> list[str]:
    return ask.query.get("expand") or ask.query.get("expand[]") or []


def validate(_state: State, ask: Ask) -> Answer:
    """Whether a card's metadata is right."""
    said: dict[str, list[dict[str, str]]] = {"errors": [], "warnings": []}
    try:
        values = cards.front(ask.json(_Card).content)
    except ValueError as e:
        said["errors"].append({"message": str(e)})
        values = {}
    if values is None:
        said["warnings"].append({"message": "empty or missing yaml metadata in repo card"})
    said["errors"] += [{"message": fault} for fault in cards.faults(values or {})]
    return reply(said, status=400 if said["errors"] else 200)


ROUTES = (
    route("GET /api/{kind}", listed),
    route("GET /api/{kind}/{repo}", info),
    route("GET /api/{kind}/{repo}/revision/{rev}", info_at),
    route("POST /api/validate-yaml", validate),
)
