"""What a Hub keeps is there again: after a restart, after a kill, after a kill in the middle of something."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from adapter_merge.errors import RequestError
from adapter_merge.localhub import LocalHub
from tests.localhub.ask import ask, commit
from tests.localhub.steps import TOKEN

REPO = "bot/a"


@contextmanager
def served(data: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`adapter-merge localhub serve` in a process of its own, with its address."""
    command = [sys.executable, "-m", "adapter_merge", "localhub", "serve", "--data", str(data)]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        word, _, url = process.stdout.readline().strip().partition(" ")
        assert word == "ready"
        try:
            yield url, process
        finally:
            process.kill()


def _filled(api: HfApi) -> dict[str, object]:
    """Do a bit of everything; the result is what the Hub then says."""
    api.create_repo(REPO, private=True)
    large = CommitOperationAdd("a.safetensors", os.urandom(100_000))
    api.create_commit(REPO, [large, CommitOperationAdd("a.txt", b"a")], commit_message="m")
    api.create_tag(REPO, tag="v1")
    change = CommitOperationAdd("b.txt", b"b")
    api.create_commit(REPO, [change], commit_message="m", create_pr=True)
    api.create_discussion(REPO, title="t", description="d")
    api.create_webhook(
        url="http://127.0.0.1:9/", watched=[{"type": "user", "name": "bot"}], secret="s"
    )
    api.create_collection("c", namespace="bot")
    return _said(api)


def _said(api: HfApi) -> dict[str, object]:
    refs = api.list_repo_refs(REPO, include_pull_requests=True)
    return {
        "user": api.whoami()["id"],
        "info": api.model_info(REPO, files_metadata=True),
        "refs": (refs.branches, refs.tags, refs.pull_requests),
        "commits": api.list_repo_commits(REPO),
        "threads": [api.get_discussion_details(REPO, n).events for n in (1, 2)],
        "webhooks": api.list_webhooks(),
        "collections": [c.slug for c in api.list_collections(owner="bot")],
        "bytes": ask(api.endpoint, f"GET /{REPO}/resolve/main/a.txt", token=TOKEN).body,
    }


def test_all_is_there_after_a_restart(tmp_path: Path) -> None:
    with LocalHub(tmp_path) as hub:
        hub.add_user("bot", TOKEN)
        before = _filled(HfApi(endpoint=hub.url, token=TOKEN))
        port, weights = int(hub.url.rpartition(":")[2]), hub.read(REPO, "a.safetensors")
    with LocalHub(tmp_path, port=port) as hub:
        assert _said(HfApi(endpoint=hub.url, token=TOKEN)) == before
        assert hub.read(REPO, "a.safetensors") == weights


def test_all_is_there_after_a_kill(tmp_path: Path) -> None:
    with served(tmp_path) as (url, process):
        before = _filled(HfApi(endpoint=url, token=TOKEN))
        process.send_signal(signal.SIGKILL)
        process.wait()
    with served(tmp_path, "--port", url.rpartition(":")[2]) as (again, _):
        assert again == url
        assert _said(HfApi(endpoint=url, token=TOKEN)) == before


def test_a_kill_among_commits_leaves_whole_ones(tmp_path: Path) -> None:
    acknowledged = []

    def push(url: str) -> None:
        for n in range(10_000):
            try:
                got = ask(
                    url,
                    f"POST /api/models/{REPO}/commit/main",
                    token=TOKEN,
                    body=commit({f"{n}.txt": str(n).encode()}, summary=str(n)),
                )
            except OSError:
                return
            assert got.status == 200
            acknowledged.append(n)

    with served(tmp_path) as (url, process):
        HfApi(endpoint=url, token=TOKEN).create_repo(REPO)
        thread = threading.Thread(target=push, args=(url,))
        thread.start()
        while len(acknowledged) < 50:
            assert thread.is_alive()
        process.send_signal(signal.SIGKILL)
        thread.join()
    with LocalHub(tmp_path) as hub:
        api = HfApi(endpoint=hub.url, token=TOKEN)
        done = [c.title for c in api.list_repo_commits(REPO)][-2::-1]
        assert done[: len(acknowledged)] == [str(n) for n in acknowledged]
        assert len(done) <= len(acknowledged) + 1
        assert all(hub.read(REPO, f"{n}.txt") == n.encode() for n in done)


def test_a_kill_in_an_upload_leaves_nothing_of_it(tmp_path: Path) -> None:
    with served(tmp_path, "--no-xet") as (url, process):
        HfApi(endpoint=url, token=TOKEN).create_repo(REPO)
        body = {"objects": [{"oid": "1" * 64, "size": 1 << 20}]}
        line = f"POST /{REPO}.git/info/lfs/objects/batch"
        said = ask(url, line, token=TOKEN, body=body).json
        assert isinstance(said, dict)
        address = said["objects"][0]["actions"]["upload"]["href"].removeprefix(url)
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            head = f"PUT {address} HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 20}\r\n\r\n"
            connection.sendall(head.encode() + b"x" * 1000)
            while not list((tmp_path / "parts").glob("*.new")):
                assert process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
    with LocalHub(tmp_path) as hub:
        assert list((tmp_path / "parts").iterdir()) == []
        assert not (tmp_path / "objects" / ("1" * 64)).exists()
        assert ask(hub.url, f"GET /api/models/{REPO}").status == 200


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc for the server's memory")
def test_a_large_file_is_never_whole_in_memory(tmp_path: Path) -> None:
    size = 300 << 20
    content = bytes(size)
    digest = hashlib.sha256(content).hexdigest()
    with served(tmp_path, "--no-xet") as (url, process):
        HfApi(endpoint=url, token=TOKEN).create_repo(REPO)
        body = {"objects": [{"oid": digest, "size": size}]}
        line = f"POST /{REPO}.git/info/lfs/objects/batch"
        said = ask(url, line, token=TOKEN, body=body).json
        assert isinstance(said, dict)
        address = said["objects"][0]["actions"]["upload"]["href"].removeprefix(url)
        assert ask(url, f"PUT {address}", body=content).status == 200
        there = f"/_cdn/{digest}?{address.partition('?')[2]}"
        assert ask(url, f"GET {there}").body == content
        status = Path(f"/proc/{process.pid}/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) << 10
    assert peak < size


def test_a_repository_that_was_being_made_is_forgotten(tmp_path: Path) -> None:
    with LocalHub(tmp_path) as hub:
        hub.add_repo(REPO)
    (tmp_path / "repos" / "half" / "commits").mkdir(parents=True)
    with LocalHub(tmp_path) as hub:
        assert not (tmp_path / "repos" / "half").exists()
        assert hub.head(REPO)


def test_two_hubs_never_have_one_folder(tmp_path: Path) -> None:
    with LocalHub(tmp_path), pytest.raises(RequestError, match="served by another"):
        LocalHub(tmp_path).__enter__()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "a") as hub:
        port = int(hub.url.rpartition(":")[2])
        with pytest.raises(RequestError, match=f"port {port}"):
            LocalHub(tmp_path / "b", port=port).__enter__()
    with LocalHub(tmp_path / "b", port=port) as hub:
        assert hub.url.endswith(str(port))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_well(tmp_path: Path, number: int) -> None:
    with served(tmp_path, "--user", "me", "--token", "hf_me") as (url, process):
        assert HfApi(endpoint=url, token="hf_me").whoami()["name"] == "me"
        process.send_signal(number)
        assert process.wait(10) == 0
