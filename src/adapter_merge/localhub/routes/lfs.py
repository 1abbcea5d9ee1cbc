"""Large files over HTTP: where to put them, their bytes whole or in parts, copies between repositories."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from adapter_merge.localhub.repos import Kind
from adapter_merge.localhub.routes.files import check_key
from adapter_merge.localhub.routes.route import route
from adapter_merge.localhub.state import State
from adapter_merge.localhub.store import Mismatch
from adapter_merge.localhub.wire import Answer, Ask, Body, Problem, reply

_LEAST_PART = 5_000_000


class _Wanted(Body):
    oid: str
    size: int


class _Batch(Body):
    objects: tuple[_Wanted, ...]
    operation: Literal["upload", "download"] = "upload"
    transfers: tuple[str, ...] = ("basic",)


class _Part(Body):
    partNumber: int  # noqa: N815 - the Hub's own spelling
    etag: str


class _Complete(Body):
    parts: tuple[_Part, ...]


class _Verify(Body):
    size: int


class _Target(Body):
    type: Kind
    name: str


class _Source(Body):
    sha256: str
    filename: str = ""


class _Copies(Body):
    target: _Target
    files: tuple[_Source, ...]


def batch(state: State, ask: Ask) -> Answer:
    """Where each large file shall be put; nowhere, where this repository has it.

    That another one has it doesn't count: whoever knows a digest could else have its bytes.
    """
    kind, name = ask.parts
    repo = state.reach(ask, kind, name, "write")
    wish = ask.json(_Batch)
    multipart = "multipart" in wish.transfers
    found = [
        {"oid": wanted.oid, "size": wanted.size}
        if wanted.oid in repo.lfs and state.objects.has(wanted.oid)
        else _placed(state, wanted, multipart)
        for wanted in wish.objects
    ]
    state.repos.put(replace(repo, lfs=repo.lfs | {wanted.oid for wanted in wish.objects}))
    return reply({"transfer": "basic", "objects": found})


def _placed(state: State, wanted: _Wanted, multipart: bool) -> dict[str, object]:
    at, key = f"{state.url}/_lfs/{wanted.oid}", f"?key={state.sign(wanted.oid)}"
    upload: dict[str, object] = {"href": f"{at}{key}"}
    if multipart and wanted.size > state.settings.lfs_threshold:
        size = max(_LEAST_PART, state.settings.lfs_threshold // 2)
        parts = {str(n + 1): f"{at}/{n + 1}{key}" for n in range(-(-wanted.size // size))}
        header = {"chunk_size": str(size), **parts}
        upload = {"href": f"{at}/complete{key}", "header": header}
    actions = {"upload": upload, "verify": {"href": f"{at}/verify{key}"}}
    return {"oid": wanted.oid, "size": wanted.size, "actions": actions}


def put(state: State, ask: Ask) -> Answer:
    """Take a large file."""
    (digest,) = ask.parts
    check_key(state, ask, digest)
    try:
        state.objects.receive(digest, ask.body.chunks())
    except Mismatch as e:
        raise Problem(400, "the bytes have another sha256") from e
    return Answer(headers={"ETag": f'"{digest}"'})


def put_part(state: State, ask: Ask) -> Answer:
    """Take a part of a large file."""
    digest, number = ask.parts
    check_key(state, ask, digest)
    md5 = state.objects.receive_part(digest, int(number), ask.body.chunks())
    return Answer(headers={"ETag": f'"{md5}"'})


def complete(state: State, ask: Ask) -> Answer:
    """Make a large file of its parts."""
    (digest,) = ask.parts
    check_key(state, ask, digest)
    try:
        state.objects.join(digest, len(ask.json(_Complete).parts))
    except Mismatch as e:
        raise Problem(400, "a part is missing, or the bytes have another sha256") from e
    return reply({})


def verify(state: State, ask: Ask) -> Answer:
    """Whether a large file has arrived."""
    (digest,) = ask.parts
    check_key(state, ask, digest)
    file = state.objects.large(digest)
    if file is None or file.size != ask.json(_Verify).size:
        raise Problem(400, "the file isn't there, or has another size")
    return reply({})


def copy(state: State, ask: Ask) -> Answer:
    """Let another repository have large files of this one, without sending them again."""
    kind, name = ask.parts
    source = state.reach(ask, kind, name, "files")
    wish = ask.json(_Copies)
    target = state.reach(ask, f"{wish.target.type}s", wish.target.name, "write")
    there = {file.sha256 for file in wish.files if file.sha256 in source.lfs}
    state.repos.put(replace(target, lfs=target.lfs | there))
    return reply(
        {
            "succeeded": [file.model_dump() for file in wish.files if file.sha256 in there],
            "failed": [
                {"sha256": file.sha256, "error": "the source has no such file"}
                for file in wish.files
                if file.sha256 not in there
            ],
        }
    )


ROUTES = (
    route("POST /{at}{repo}.git/info/lfs/objects/batch", batch),
    route("PUT /_lfs/{digest}", put, streams=True),
    route("PUT /_lfs/{digest}/{num}", put_part, streams=True),
    route("POST /_lfs/{digest}/complete", complete),
    route("POST /_lfs/{digest}/verify", verify),
    route("POST /api/{kind}/{repo}/lfs-files/duplicate", copy),
)
