"""A model repository on disk: what is listed, which weights count, what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from adapter_merge.errors import (
    AdapterMergeError,
    Corrupt,
    Layout,
    NotFound,
    NotSafetensors,
    RequestError,
)
from adapter_merge.folder import ADAPTER_WEIGHTS, INDEX, SINGLE, list_files, read_json, read_receipt
from adapter_merge.repository import open_adapter, open_checkpoint
from tests.build import base_tensors, change_json, pack, shard, write_adapter, write_base

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 10\n"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_base(tmp_path / "base")


def test_lists_files_with_their_sizes(base: Path) -> None:
    (base / "1_Pooling").mkdir()
    (base / "1_Pooling" / "config.json").write_text("{}")
    (base / ".cache").mkdir()
    (base / ".cache" / "lock").write_text("")
    found = list_files(base)
    assert set(found) == {"1_Pooling/config.json", "config.json", "generation_config.json", SINGLE}
    assert found["1_Pooling/config.json"] == 2


def test_links_count_where_they_stay_inside(base: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of somebody else")
    (base / "inside.json").symlink_to("config.json")
    (base / "outside.json").symlink_to("../secret")
    (base / "nowhere.json").symlink_to("gone.json")
    (base / "folder").symlink_to(tmp_path, target_is_directory=True)
    assert set(list_files(base)) == {"config.json", "generation_config.json", SINGLE, "inside.json"}


@pytest.mark.parametrize("below", ["", "checkpoint-5"])
def test_a_snapshot_of_the_hub_s_cache_is_a_folder_of_links(tmp_path: Path, below: str) -> None:
    repo, other = tmp_path / "models--org--name", tmp_path / "models--org--other"
    snapshot = repo / "snapshots" / "0123abcd" / below
    for blobs in (repo / "blobs", other / "blobs"):
        blobs.mkdir(parents=True)
        (blobs / "f00").write_text("{}")
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").symlink_to(repo / "blobs" / "f00")
    (snapshot / "stolen.json").symlink_to(other / "blobs" / "f00")
    assert set(list_files(snapshot)) == {"config.json"}


def test_a_folder_must_be_one(base: Path) -> None:
    with pytest.raises(RequestError, match="is a file, not a folder"):
        list_files(base / SINGLE)
    with pytest.raises(NotFound, match="there is no folder"):
        list_files(base / "gone")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"a": "\\ud800"}', "not valid JSON"),
        (b"[]", "is not a JSON object"),
        (b"{", "is not valid JSON"),
        (b"\xff", "is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
        (POINTER, "Git LFS pointer"),
    ],
)
def test_a_json_file_must_hold_an_object(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(Corrupt, match=why):
        read_json(tmp_path, "config.json")


def test_a_json_file_is_read_up_to_a_size(tmp_path: Path) -> None:
    fitting = json.dumps({"a": "b" * 3_999_991})
    for name, text in (("config.json", fitting), ("a.json", fitting + " ")):
        (tmp_path / name).write_text(text)
        assert read_json(tmp_path, name)
    (tmp_path / "config.json").write_text(fitting + " ")
    with pytest.raises(Corrupt, match="more than the 4 MB"):
        read_json(tmp_path, "config.json")
    with (tmp_path / "tokenizer.json").open("wb") as file:
        file.truncate(10**11)  # a sparse file: it takes one block
    with pytest.raises(Corrupt, match="more than the 64 MB"):
        read_json(tmp_path, "tokenizer.json")


def test_a_name_that_is_no_text_is_refused(base: Path) -> None:
    (base / "ü").write_text("")
    assert "ü" in list_files(base)
    (base / os.fsdecode(b"a\xff.txt")).write_text("")
    with pytest.raises(Corrupt, match=r"the file name `a\\xff.txt` is not UTF-8"):
        list_files(base)


def test_a_pipe_is_no_weight_file(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapter")
    (tmp_path / "adapter" / ADAPTER_WEIGHTS).unlink()
    os.mkfifo(tmp_path / "adapter" / ADAPTER_WEIGHTS)
    with pytest.raises(NotFound, match="a pipe"):
        open_adapter(tmp_path / "adapter")


def test_reads_a_single_file(base: Path) -> None:
    found = open_checkpoint(base)
    assert [f.name for f in found.files] == [SINGLE]
    assert (found.index, found.shadowed) == (None, ())
    assert {n: t.shape for n, t in found.tensors.items()} == {
        n: t.shape for n, t in base_tensors().items()
    }


def test_reads_the_shards_that_an_index_names(base: Path) -> None:
    weight_map = shard(base)
    found = open_checkpoint(base)
    assert {n: f.name for n, f in found.file_of.items()} == weight_map
    assert found.index is not None
    assert found.index.content["weight_map"] == weight_map


def test_an_index_may_give_any_file_name(base: Path) -> None:
    shard(base, dict.fromkeys(base_tensors(), "weights of März.safetensors"))
    assert [f.name for f in open_checkpoint(base).files] == ["weights of März.safetensors"]


@pytest.mark.parametrize(
    "name", ["consolidated.safetensors", "other.safetensors", "pytorch_model.bin", "old.pth"]
)
@pytest.mark.parametrize("is_sharded", [True, False])
def test_names_weights_that_it_does_not_read(base: Path, name: str, is_sharded: bool) -> None:
    if is_sharded:
        shard(base)
    (base / name).write_bytes(b"not even read")
    (base / "training_args.bin").write_bytes(b"no weights")
    assert open_checkpoint(base).shadowed == (name,)


def _map(**changes: str | int | None) -> Callable[[Path], None]:
    """Shard a base, and change its weight map; None takes a tensor out of it."""

    def spoil(base: Path) -> None:
        weight_map: Mapping[str, object] = {**shard(base), **changes}
        change_json(base / INDEX, weight_map={n: f for n, f in weight_map.items() if f is not None})

    return spoil


def _sharded(act: Callable[[Path], object]) -> Callable[[Path], None]:
    def spoil(base: Path) -> None:
        shard(base)
        act(base)

    return spoil


def _twice(base: Path) -> None:
    both = load_file(base / FIRST) | {"lm_head.weight": np.zeros(1)}
    save_file(both, base / SECOND)


def _leave(base: Path, name: str) -> None:
    (base / name).rename(base.parent / "elsewhere")
    (base / name).symlink_to("../elsewhere")


HEAD = "lm_head.weight"


@pytest.mark.parametrize(
    ("spoil", "kind", "why"),
    [
        pytest.param(lambda b: (b / SINGLE).unlink(), NotFound, "has no", id="nothing"),
        pytest.param(
            lambda b: (b / SINGLE).rename(b / "pytorch_model.bin"),
            NotSafetensors,
            "pytorch_model.bin",
            id="a pickle",
        ),
        pytest.param(
            lambda b: (b / SINGLE).rename(b / "weights.safetensors"),
            NotFound,
            "`weights.safetensors` is there, but no loader reads that name",
            id="another name",
        ),
        pytest.param(
            lambda b: _leave(b, SINGLE),
            NotFound,
            "is a link that leaves",
            id="single file elsewhere",
        ),
        pytest.param(
            _sharded(lambda b: _leave(b, SECOND)),
            NotFound,
            f"`{SECOND}` in .* is a link that leaves",
            id="shard elsewhere",
        ),
        pytest.param(
            _sharded(lambda b: (b / SECOND).unlink()),
            NotFound,
            f"`{SECOND}` is missing",
            id="missing shard",
        ),
        pytest.param(_sharded(_twice), Corrupt, f"stands in `{FIRST}` and in", id="tensor twice"),
        pytest.param(
            _map(**{HEAD: SECOND}), Corrupt, f"puts `{HEAD}` in `{SECOND}`", id="wrong shard"
        ),
        pytest.param(_map(**{HEAD: None}), Corrupt, f"puts `{HEAD}` in `None`", id="not indexed"),
        pytest.param(_map(ghost=FIRST), Corrupt, "`no shard`", id="nowhere"),
        pytest.param(_map(ghost="../secret"), Corrupt, "'../secret'", id="above"),
        pytest.param(_map(ghost="sub/x.safetensors"), Corrupt, "'sub/x", id="below"),
        pytest.param(_map(ghost=".."), Corrupt, "'..'", id="only dots"),
        pytest.param(_map(ghost=""), Corrupt, "names the file ''", id="no name"),
        pytest.param(_map(ghost="a\0b"), Corrupt, "names the file", id="a null byte"),
        pytest.param(_map(ghost=1), Corrupt, "names the file 1", id="a number"),
        pytest.param(
            _map(ghost="ü" * 128), Corrupt, "names the file", id="longer than a name may be"
        ),
        pytest.param(
            _sharded(lambda b: change_json(b / INDEX, weight_map={})),
            Corrupt,
            "has no `weight_map`",
            id="empty index",
        ),
        pytest.param(
            _sharded(lambda b: (b / INDEX).write_text("[]")),
            Corrupt,
            "not a JSON object",
            id="a list",
        ),
        pytest.param(
            _sharded(lambda b: save_file(base_tensors(), b / SINGLE)),
            Layout,
            "loaders disagree",
            id="a single file beside an index",
        ),
        pytest.param(
            lambda b: (b / SINGLE).write_bytes(POINTER),
            Corrupt,
            "Git LFS pointer",
            id="LFS pointer",
        ),
        pytest.param(
            _sharded(lambda b: (b / FIRST).write_bytes(pack({}, b"x"))),
            Corrupt,
            f"`{FIRST}` is not a valid safetensors file",
            id="broken shard",
        ),
    ],
)
def test_refuses_a_checkpoint(
    base: Path, spoil: Callable[[Path], object], kind: type[AdapterMergeError], why: str
) -> None:
    spoil(base)
    with pytest.raises(kind, match=why) as caught:
        open_checkpoint(base)
    assert type(caught.value) is kind
    assert caught.value.hint


@pytest.mark.parametrize(
    ("spoil", "kind", "why"),
    [
        (lambda a: (a / ADAPTER_WEIGHTS).unlink(), NotFound, "is missing"),
        (
            lambda a: (a / ADAPTER_WEIGHTS).rename(a / "adapter_model.bin"),
            NotSafetensors,
            "is a pickle",
        ),
        (lambda a: _leave(a, ADAPTER_WEIGHTS), NotFound, "is a link that leaves"),
        (
            lambda a: (a / ADAPTER_WEIGHTS).write_bytes(b"PK\3\4" + bytes(40)),
            Corrupt,
            "not a valid",
        ),
    ],
)
def test_refuses_an_adapter_s_weights(
    tmp_path: Path, spoil: Callable[[Path], object], kind: type[AdapterMergeError], why: str
) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    spoil(adapter)
    with pytest.raises(kind, match=why):
        open_adapter(adapter)


@pytest.mark.parametrize("content", ["", "{}", "[]", json.dumps({"schema_version": 2})])
def test_a_receipt_that_is_none_is_not_believed(tmp_path: Path, content: str) -> None:
    assert read_receipt(tmp_path) is None
    (tmp_path / "merge_receipt.json").write_text(content)
    assert read_receipt(tmp_path) is None
