"""Commits: how files shall come, the commit itself, the history."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from adapter_merge.localhub import threads
from adapter_merge.localhub.repos import Commit, File, Repo, Tree, full_ref, iso, sound_path
from adapter_merge.localhub.routes.route import route
from adapter_merge.localhub.state import State
from adapter_merge.localhub.webhooks import moved
from adapter_merge.localhub.wire import Answer, Ask, Body, Problem, reply

# What the Hub takes as large files whatever their size, by its default `.gitattributes`.
_LARGE = (
    ".safetensors",
    ".bin",
    ".pt",
    ".pth",
    ".gguf",
    ".onnx",
    ".zip",
    ".parquet",
    ".npz",
    ".model",
    ".h5",
    ".ckpt",
    ".pkl",
)


class _Announced(Body):
    path: str
    size: int
    sample: str = ""


class _Preupload(Body):
    files: tuple[_Announced, ...]
    gitIgnore: str = ""  # noqa: N815 - the Hub's own spelling


class _Message(Body):
    summary: str
    description: str = ""
    parentCommit: str | None = None  # noqa: N815


class _Put(Body):
    path: str
    content: str


class _Large(Body):
    path: str
    oid: str
    size: int | None = None


class _Path(Body):
    path: str


class _Header(Body):
    key: Literal["header"]
    value: _Message


class _PutFile(Body):
    key: Literal["file"]
    value: _Put


class _LargeFile(Body):
    key: Literal["lfsFile"]
    value: _Large


class _DeletedFile(Body):
    key: Literal["deletedFile"]
    value: _Path


class _DeletedFolder(Body):
    key: Literal["deletedFolder"]
    value: _Path


_Change = _PutFile | _LargeFile | _DeletedFile | _DeletedFolder
_LINE: TypeAdapter[_Header | _Change] = TypeAdapter(
    Annotated[_Header | _Change, Field(discriminator="key")]
)


def preupload(state: State, ask: Ask) -> Answer:
    """Which files shall come in the commit itself, and which before it as large ones."""
    kind, name, revision = ask.parts
    repo = state.reach(ask, kind, name, "propose" if ask.asks("create_pr") else "write")
    commit, held = state.at(repo, revision)
    wish = ask.json(_Preupload)
    ignored = [line for line in wish.gitIgnore.split() if not line.startswith("#")]
    files = []
    for file in wish.files:
        large = file.size >= state.settings.lfs_threshold or _is_large(file)
        said: dict[str, object] = {"path": file.path, "uploadMode": "lfs" if large else "regular"}
        said["shouldIgnore"] = any(fnmatch.fnmatch(file.path, line) for line in ignored)
        if file.path in held.tree:
            said["oid"] = held.tree[file.path].digest
        files.append(said)
    return reply({"files": files, "commitOid": commit})


def _is_large(file: _Announced) -> bool:
    return file.path.lower().endswith(_LARGE) or b"\0" in base64.b64decode(file.sample)


def commit(state: State, ask: Ask) -> Answer:
    """Make one commit on a branch, or on a new pull request."""
    kind, name, revision = ask.parts
    ref, request = full_ref(revision), ask.asks("create_pr")
    repo = state.reach(ask, kind, name, "propose" if request else "write")
    if ref not in repo.refs:
        raise Problem(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    message, changes = _parsed(ask.body.whole())
    parent = _parent(state, repo, ref, message.parentCommit, request)
    repo, tree = _changed(state, repo, state.repos.commit(repo, parent).tree, changes)
    made = Commit(
        parents=(parent,),
        tree=tree,
        title=message.summary,
        message=message.description,
        author=ask.user(),
        date=time.time(),
    )
    new = state.repos.add_commit(repo, made)
    where = f"{state.url}/{repo.where}"
    said = {"success": True, "commitOid": new, "commitUrl": f"{where}/commit/{new}"}
    if not request:
        kept = state.move(repo, ref, new)
        state.repos.put(kept)
        state.tell(kept, moved(ref, parent, new))
        return reply(said)
    repo, opened = threads.opened(repo, message.summary, message.description, ask.user(), base=ref)
    kept = state.move(repo, opened.ref, new)
    state.repos.put(kept)
    state.tell(kept, threads.happened(opened, kept, state.people.value, state.url))
    state.tell(kept, moved(opened.ref, None, new))
    return reply({**said, "pullRequestUrl": f"{where}/discussions/{opened.num}"})


def _parsed(body: bytes) -> tuple[_Message, list[_Change]]:
    """The header and the changes of a commit's body, which has one JSON value a line."""
    try:
        first, *rest = (_LINE.validate_json(line) for line in body.splitlines() if line.strip())
    except ValidationError as e:
        raise Problem(400, f"a line of the commit is not what one can be: {e}") from e
    except ValueError as e:
        raise Problem(400, "the commit is empty") from e
    changes = [line for line in rest if not isinstance(line, _Header)]
    if not isinstance(first, _Header) or len(changes) < len(rest):
        raise Problem(400, "a commit has one header, and it comes first")
    return first.value, changes


def _parent(state: State, repo: Repo, ref: str, wanted: str | None, request: bool) -> str:
    head = repo.refs[ref]
    if wanted is None:
        return head
    if request:
        return state.resolve(repo, wanted)
    if not head.startswith(wanted):
        raise Problem(
            412, "A commit has happened since. Please refresh and try again.", "PreconditionFailed"
        )
    return head


def _changed(
    state: State, repo: Repo, tree: Tree, changes: list[_Change]
) -> tuple[Repo, dict[str, File]]:
    files = dict(tree)
    for change in changes:
        path = change.value.path
        match change:
            case _PutFile():
                _check_path(path)
                files[path] = state.objects.put(_decoded(change.value))
            case _LargeFile():
                _check_path(path)
                files[path] = _large(state, repo, change.value)
                repo = replace(repo, lfs=repo.lfs | {change.value.oid})
            case _DeletedFile() | _DeletedFolder():
                for gone in list(_deleted(files, change)):
                    del files[gone]
    return repo, files


def _check_path(path: str) -> None:
    if not sound_path(path):
        raise Problem(400, f"Invalid path: {path}")


def _decoded(file: _Put) -> bytes:
    try:
        return base64.b64decode(file.content)
    except binascii.Error as e:
        raise Problem(400, f"{file.path} is not base64") from e


def _large(state: State, repo: Repo, wanted: _Large) -> File:
    """A large file that this repository was sent; that another one has it is not enough.

    What hf_xet uploaded isn't told to the Hub before this moment, so there the store is asked.
    """
    file = state.objects.large(wanted.oid)
    if file is None or (file.xet is None and wanted.oid not in repo.lfs):
        raise Problem(
            400, f"LFS pointer pointed to a file that does not exist: {wanted.path} ({wanted.oid})"
        )
    if wanted.size not in (None, file.size):
        raise Problem(400, f"{wanted.path} has {file.size} bytes, not {wanted.size}")
    return file


def _deleted(files: Tree, change: _DeletedFile | _DeletedFolder) -> Iterator[str]:
    path = change.value.path.rstrip("/")
    if isinstance(change, _DeletedFile):
        found = [path] if path in files else []
    else:
        found = [name for name in files if name.startswith(f"{path}/")]
    if not found:
        raise Problem(404, f"{path} does not exist", "EntryNotFound")
    yield from found


def history(state: State, ask: Ask) -> Answer:
    """The commits that lead to a revision, the newest first."""
    kind, name, revision = ask.parts
    repo = state.reach(ask, kind, name)
    found: list[dict[str, object]] = []
    at: str | None = state.resolve(repo, revision)
    while at is not None:
        held = state.repos.commit(repo, at)
        said = {"id": at, "title": held.title, "message": held.message, "date": iso(held.date)}
        found.append({**said, "authors": [{"user": held.author}]})
        at = held.parents[0] if held.parents else None
    return reply(found)


ROUTES = (
    route("POST /api/{kind}/{repo}/preupload/{rev}", preupload),
    route("POST /api/{kind}/{repo}/commit/{rev}", commit),
    route("GET /api/{kind}/{repo}/commits/{rev}", history),
)
