"""Repositories of a size that nobody pulls: seventy billion parameters, a hundred thousand files."""

from __future__ import annotations

import json
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapter_merge.errors import Corrupt
from adapter_merge.localhub import Fault, LocalHub, Settings, Status
from adapter_merge.localhub.repos import File
from tests.hub.large import LAYERS, SHARDS, add_shards, write_shard
from tests.hub.stock import TOKEN, Stocked


def test_the_headers_of_a_model_of_70_billion_parameters_move_less_than_a_thousandth(
    plain: Stocked, tmp_path: Path
) -> None:
    plain.server.add_repo("org/large", {"config.json": b"{}"})
    names = add_shards(plain.server, "org/large", tmp_path)
    total = sum(names.values())
    assert total > 130e9
    found = plain.open("org/large")
    with ThreadPoolExecutor(8) as pool:
        files = list(pool.map(found.header, names))
    assert sum(len(f.tensors) for f in files) == 7 * LAYERS + 1
    sent = sum(r.sent for r in plain.server.requests)
    assert sent < total / 1000
    # Two to pin and to list; for each header one that is sent elsewhere, and one there.
    assert len(plain.asked()) == 2 + 2 * SHARDS
    last = files[-1].tensors[-1]
    assert found.span(list(names)[-1], last.stop - 4, 4) == bytes(4)


def _of_many_files(server: LocalHub, count: int) -> None:
    server.add_repo("org/many", {"config.json": b"{}"})
    state = server._state
    with state.lock:
        one = state.objects.put(b"x")
        files: dict[str, File] = {f"checkpoint-{n}/x.json": one for n in range(count)}
        server._commit(server._repo("org/many", "model"), files, "refs/heads/main")


def test_pages_of_files_are_followed(plain: Stocked) -> None:
    _of_many_files(plain.server, 2500)
    assert len(plain.open("org/many").files) == 2502
    before = len(plain.asked())
    assert plain.open("org/many/checkpoint-7").files == {"x.json": 1}
    assert len(plain.asked()) - before == 2


def test_a_hundred_thousand_files_are_an_error_that_says_so(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "hub", settings=Settings(xet=False, page=10_000)) as server:
        hub = Stocked(server, tmp_path, xet=False)
        _of_many_files(server, 100_000)
        with pytest.raises(Corrupt, match="more than 50000 files") as caught:
            hub.open("org/many")
        assert "Name the folder that is meant" in caught.value.hint
        assert len([a for a in hub.asked() if "/tree/" in a]) < 12


def test_a_list_without_end_has_one(plain: Stocked) -> None:
    plain.add("org/many", {"config.json": b"{}"})
    again = f"{plain.server.url}/api/models/org/many/tree/x"
    page = Status(status=200, headers={"Link": f'<{again}>; rel="next"'}, body=b"[]")
    plain.server.fail(Fault(on="/tree/", does=page, times=100_000))
    with pytest.raises(Corrupt, match="more than 50000 files"):
        plain.open("org/many")


def test_the_next_page_is_asked_for_at_home(plain: Stocked) -> None:
    """A mirror that hands out another Hub's address must not lead the token there."""
    commit = plain.add("org/many", {"config.json": b"{}"})
    away = f"https://elsewhere.invalid/api/models/org/many/tree/{commit}?recursive=true"
    page = Status(status=200, headers={"Link": f'<{away}>; rel="next"'}, body=b"[]")
    plain.server.fail(Fault(on="/tree/", does=page))
    assert "config.json" in plain.open("org/many", token=TOKEN).files


def test_a_large_file_of_words_is_listed_and_left_there(plain: Stocked) -> None:
    plain.add("org/base", {"README.md": b"x" * 50_000_000, "config.json": b"{}"})
    found = plain.open("org/base")
    assert found.files["README.md"] == 50_000_000
    found.have(["config.json"])
    assert sum(r.sent for r in plain.server.requests) < 10_000


def test_reading_many_large_files_takes_no_memory_for_them(plain: Stocked, tmp_path: Path) -> None:
    name = "model.safetensors"
    write_shard(tmp_path / name, 0)
    plain.server.add_repo("org/large", {"config.json": json.dumps({}).encode()})
    plain.server.add_file("org/large", name, tmp_path / name, sha256="0" * 64)
    found = plain.open("org/large")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found.header(name)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
