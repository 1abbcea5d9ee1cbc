"""Files, large and small: pages of a tree, ranges, sparse giants, uploads that are wrong."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, HfFileSystem

from adapter_merge.errors import NotFound
from adapter_merge.localhub import Fault, Flipped, LocalHub, Settings, Short
from tests.localhub.ask import Got, ask, commit
from tests.localhub.steps import TOKEN

GIANT = 140_000_000_000
REPO = "bot/a"


def test_a_tree_comes_in_pages(hub: LocalHub, api: HfApi) -> None:
    hub.add_repo(REPO, {f"many/{n:04}.txt": b"x" for n in range(2100)})
    found = [e.path for e in api.list_repo_tree(REPO, "many", recursive=True)]
    assert found == [f"many/{n:04}.txt" for n in range(2100)]
    assert len([r for r in hub.requests if "/tree/" in r.path]) == 3


def test_a_page_can_be_small(tmp_path: Path) -> None:
    with LocalHub(tmp_path, settings=Settings(page=2)) as hub:
        hub.add_repo(REPO, {"a": b"", "b": b"", "d/c": b""})
        first = ask(hub.url, f"GET /api/models/{REPO}/tree/main?recursive=true")
        assert [e["path"] for e in json.loads(first.body)] == [".gitattributes", "a"]
        assert first.headers["link"].endswith('recursive=true&cursor=2>; rel="next"')


def test_a_tree_may_end_with_a_slash(hub: LocalHub) -> None:
    """As olah, a mirror of the Hub, asks for it."""
    hub.add_repo(REPO, {"a": b""})
    found = ask(hub.url, f"GET /api/models/{REPO}/tree/main/?recursive=false")
    assert [e["path"] for e in json.loads(found.body)] == [".gitattributes", "a"]


@pytest.fixture
def giant(hub: LocalHub, tmp_path: Path) -> bytes:
    """A sparse file of 140 GB in a repository; the result is its header."""
    tensor = {"dtype": "BF16", "shape": [GIANT // 2], "data_offsets": [0, GIANT]}
    text = json.dumps({"w": tensor}).encode()
    header = struct.pack("<Q", len(text)) + text
    path = tmp_path / "giant"
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + GIANT)
    hub.add_repo(REPO)
    hub.add_file(REPO, "model.safetensors", path, sha256="0" * 64)
    return header


def test_a_sparse_giant_takes_no_room(
    hub: LocalHub, api: HfApi, giant: bytes, tmp_path: Path
) -> None:
    info = api.model_info(REPO, files_metadata=True)
    assert info.safetensors is not None
    assert info.safetensors.total == GIANT // 2
    assert [s.size for s in info.siblings or () if s.lfs] == [len(giant) + GIANT]
    used = sum(p.stat().st_blocks * 512 for p in (tmp_path / "hub").rglob("*"))
    assert used < 1 << 20


def test_ranges_of_a_sparse_giant(hub: LocalHub, api: HfApi, giant: bytes) -> None:
    disk = HfFileSystem(endpoint=hub.url, token=TOKEN, block_size=1 << 16)
    with disk.open(f"{REPO}/model.safetensors", "rb") as file:
        assert file.read(len(giant)) == giant
        file.seek(GIANT)
        assert file.read(1 << 20) == bytes(len(giant))
    assert sum(r.sent for r in hub.requests) < 1 << 20


def test_a_file_that_is_not_there_is_not_added(hub: LocalHub, tmp_path: Path) -> None:
    hub.add_repo(REPO)
    before = hub.head(REPO)
    with pytest.raises(NotFound, match="missing"):
        hub.add_file(REPO, "a.bin", tmp_path / "missing", sha256="1" * 64)
    assert hub.head(REPO) == before


RANGES: Mapping[str | None, tuple[int, bytes, str | None]] = {
    None: (200, b"0123456789", None),
    "bytes=0-3": (206, b"0123", "bytes 0-3/10"),
    "bytes=4-": (206, b"456789", "bytes 4-9/10"),
    "bytes=-2": (206, b"89", "bytes 8-9/10"),
    "bytes=-20": (206, b"0123456789", "bytes 0-9/10"),
    "bytes=8-99": (206, b"89", "bytes 8-9/10"),
    "bytes=10-": (416, b"", "bytes */10"),
    "bytes=3-2": (416, b"", "bytes */10"),
    "bytes=-": (200, b"0123456789", None),
    "lines=1-2": (200, b"0123456789", None),
}


@pytest.mark.parametrize("wish", RANGES)
def test_ranges(hub: LocalHub, wish: str | None) -> None:
    hub.add_repo(REPO, {"a.txt": b"0123456789"})
    headers = {"Range": wish} if wish else {}
    got = ask(hub.url, f"GET /{REPO}/resolve/main/a.txt", headers=headers)
    assert (got.status, got.body, got.headers.get("content-range")) == RANGES[wish]


def test_a_head_has_the_size_and_no_body(hub: LocalHub) -> None:
    head = hub.add_repo(REPO, {"a.txt": b"0123456789"})
    got = ask(hub.url, f"HEAD /{REPO}/resolve/main/a.txt")
    assert (got.status, got.body, got.headers["content-length"]) == (200, b"", "10")
    assert got.headers["x-repo-commit"] == head


def _batch(hub: LocalHub, content: bytes, *, repo: str = REPO) -> dict[str, Any]:
    """What the Hub says of a large file that shall come."""
    wanted = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}
    body = {"operation": "upload", "transfers": ["basic", "multipart"], "objects": [wanted]}
    got = ask(hub.url, f"POST /{repo}.git/info/lfs/objects/batch", token=TOKEN, body=body).json
    assert isinstance(got, dict)
    found: dict[str, Any] = got["objects"][0]
    return found


def _put(hub: LocalHub, address: str, content: bytes) -> int:
    return ask(hub.url, f"PUT {address.removeprefix(hub.url)}", body=content).status


def _commit_large(
    hub: LocalHub, content: bytes, *, repo: str = REPO, size: int | None = None
) -> Got:
    value = {"path": "a.bin", "algo": "sha256", "oid": hashlib.sha256(content).hexdigest()}
    line = {"key": "lfsFile", "value": {**value, "size": len(content) if size is None else size}}
    body = commit({}) + b"\n" + json.dumps(line).encode()
    return ask(hub.url, f"POST /api/models/{repo}/commit/main", token=TOKEN, body=body)


def test_a_large_file_with_other_bytes_is_not_taken(hub: LocalHub) -> None:
    hub.add_repo(REPO)
    address = _batch(hub, b"right")["actions"]["upload"]["href"]
    assert _put(hub, address, b"wrong") == 400
    assert _commit_large(hub, b"right").status == 400
    assert _put(hub, address, b"right") == 200
    assert _commit_large(hub, b"right", size=4).status == 400
    assert _commit_large(hub, b"right").status == 200
    assert "actions" not in _batch(hub, b"right")


def test_the_address_of_a_large_file_is_signed(hub: LocalHub) -> None:
    hub.add_repo(REPO, private=True)
    address = _batch(hub, b"right")["actions"]["upload"]["href"]
    assert _put(hub, address.partition("?")[0], b"right") == 403
    assert _put(hub, address, b"right") == 200
    digest = hashlib.sha256(b"right").hexdigest()
    assert ask(hub.url, f"GET /_cdn/{digest}").status == 403
    assert ask(hub.url, f"GET /_cdn/{digest}?key={'0' * 64}").status == 403


def test_a_digest_alone_does_not_give_another_repository_the_bytes(hub: LocalHub) -> None:
    for repo in (REPO, "bot/b"):
        hub.add_repo(repo)
    _put(hub, _batch(hub, b"right")["actions"]["upload"]["href"], b"right")
    assert _commit_large(hub, b"right", repo="bot/b").status == 400
    assert "actions" in _batch(hub, b"right", repo="bot/b")


def test_large_files_are_copied_on_the_server(hub: LocalHub) -> None:
    for repo in (REPO, "bot/b"):
        hub.add_repo(repo)
    _put(hub, _batch(hub, b"right")["actions"]["upload"]["href"], b"right")
    digests = [hashlib.sha256(content).hexdigest() for content in (b"right", b"unknown")]
    files = [{"sha256": digest, "filename": "a.bin", "xetHash": "0" * 64} for digest in digests]
    body = {"target": {"type": "model", "name": "bot/b"}, "files": files}
    line = f"POST /api/models/{REPO}/lfs-files/duplicate"
    got = ask(hub.url, line, token=TOKEN, body=body).json
    assert isinstance(got, dict)
    assert [f["sha256"] for f in got["failed"]] == digests[1:]
    assert _commit_large(hub, b"right", repo="bot/b").status == 200
    assert hub.read("bot/b", "a.bin") == b"right"


def test_parts_are_joined(hub: LocalHub) -> None:
    hub.add_repo(REPO)
    content = os.urandom(11_000_000)
    upload = _batch(hub, content)["actions"]["upload"]
    size = int(upload["header"].pop("chunk_size"))
    numbers = sorted(upload["header"], key=int)
    assert numbers == ["1", "2", "3"]
    end = f"POST {upload['href'].removeprefix(hub.url)}"
    parts = {"parts": [{"partNumber": int(n), "etag": ""} for n in numbers]}
    for n in numbers[:-1]:
        _put(hub, upload["header"][n], content[(int(n) - 1) * size : int(n) * size])
    assert ask(hub.url, end, body=parts).status == 400
    _put(hub, upload["header"]["3"], content[2 * size :])
    assert ask(hub.url, end, body=parts).status == 200
    assert _commit_large(hub, content).status == 200
    assert hub.read(REPO, "a.bin") == content


@pytest.mark.parametrize("effect", [Flipped(), Short(size=3)])
def test_a_fault_meets_the_bytes_of_a_large_file(
    hub: LocalHub, api: HfApi, tmp_path: Path, effect: Flipped | Short
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"0123456789")
    hub.add_repo(REPO)
    hub.add_file(REPO, "a.bin", source, sha256=hashlib.sha256(b"0123456789").hexdigest())
    there = ask(hub.url, f"GET /{REPO}/resolve/main/a.bin").headers["location"]
    hub.fail(Fault(on="GET /_cdn/", does=effect))
    line = f"GET /{there.split('/', 3)[3]}"
    if isinstance(effect, Flipped):
        assert ask(hub.url, line).body == b"01234\xca6789"
    else:
        with pytest.raises(ConnectionError):
            ask(hub.url, line)
    assert ask(hub.url, line).body == b"0123456789"
    assert source.read_bytes() == b"0123456789"


@pytest.mark.parametrize("path", ["../a", "/a", "a/../b", ".git/config", "a//b", "./a", ""])
def test_a_path_that_is_none_is_not_taken(hub: LocalHub, path: str) -> None:
    before = hub.add_repo(REPO)
    line = f"POST /api/models/{REPO}/commit/main"
    assert ask(hub.url, line, token=TOKEN, body=commit({path: b"x"})).status == 400
    assert hub.head(REPO) == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"not json",
        b'{"key": "header", "value": {}}',
        b'{"key": "file", "value": {"path": "a", "content": ""}}',
        commit({}) + b"\n" + commit({}),
        commit({}) + b'\n{"key": "other", "value": {}}',
        commit({}) + b'\n{"key": "file", "value": {"path": "a", "content": "x"}}',
    ],
)
def test_a_commit_that_is_none_is_not_taken(hub: LocalHub, body: bytes) -> None:
    hub.add_repo(REPO)
    got = ask(hub.url, f"POST /api/models/{REPO}/commit/main", token=TOKEN, body=body)
    assert got.status == 400


def test_of_commits_on_one_parent_one_is_made(hub: LocalHub) -> None:
    parent = hub.add_repo(REPO)
    line = f"POST /api/models/{REPO}/commit/main"

    def push(n: int) -> int:
        body = commit({f"{n}.txt": b"x"}, parent=parent)
        return ask(hub.url, line, token=TOKEN, body=body).status

    with ThreadPoolExecutor(8) as pool:
        found = sorted(pool.map(push, range(8)))
    assert found == [200, *[412] * 7]


def test_an_error_can_be_about_any_name(hub: LocalHub) -> None:
    hub.add_repo(REPO)
    got = ask(hub.url, f"GET /api/models/{REPO}/revision/%E2%82%AC%0A")
    assert (got.status, got.headers["x-error-code"]) == (404, "RevisionNotFound")


def test_an_id_may_lack_an_owner(hub: LocalHub, api: HfApi) -> None:
    head = hub.add_repo("gpt2", {"config.json": b"{}"})
    assert api.model_info("gpt2").sha == head
    assert api.list_repo_files("gpt2") == [".gitattributes", "config.json"]
    assert ask(hub.url, "GET /gpt2/resolve/main/config.json").body == b"{}"


def test_datasets_have_their_own_names(hub: LocalHub, api: HfApi) -> None:
    hub.add_repo(REPO, {"a": b"model"})
    hub.add_repo(REPO, {"a": b"data"}, kind="dataset")
    assert ask(hub.url, f"GET /datasets/{REPO}/resolve/main/a").body == b"data"
    assert api.dataset_info(REPO).sha == hub.head(REPO, kind="dataset")


def test_a_call_that_no_hub_of_ours_has(hub: LocalHub) -> None:
    assert ask(hub.url, "GET /api/nothing").status == 404
    assert ask(hub.url, "PATCH /api/whoami-v2").status == 404


def test_a_shard_that_is_still_written_is_passed_over(hub: LocalHub, tmp_path: Path) -> None:
    shards = tmp_path / "hub" / "xet" / "shards"
    shards.mkdir(parents=True, exist_ok=True)
    (shards / "half.mdb").write_bytes(bytes(48) + b"\1" * 60)
    hub.add_repo(REPO)
    assert _commit_large(hub, b"unknown").status == 400
    _put(hub, _batch(hub, b"right")["actions"]["upload"]["href"], b"right")
    assert _commit_large(hub, b"right").status == 200
