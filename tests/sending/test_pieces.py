"""A sealed folder's files: only what its receipt lists, and as it lists them."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_merge.errors import AdapterMergeError, Corrupt
from adapter_merge.receipt import Receipt
from adapter_merge.sending import git_oid, pieces_of
from adapter_merge.sending.pieces import _MOST_REGULAR
from tests.published import files, receipt, sealed

SHARD = "model-00001-of-00001.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sealed(tmp_path / "one", files(1))
    return tmp_path / "one"


def told(folder: Path) -> Receipt:
    return Receipt.model_validate_json((folder / "merge_receipt.json").read_bytes())


def test_all_files_are_pieces(folder: Path) -> None:
    pieces = pieces_of(folder, told(folder))
    assert pieces.keys() == {"config.json", SHARD, "README.md", "merge_receipt.json"}
    for path, piece in pieces.items():
        assert piece.local == folder / path
        assert piece.size == (folder / path).stat().st_size
        assert piece.origin is None


def test_git_s_sha1_is_git_s() -> None:
    # What `git hash-object` says of these.
    assert git_oid(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert git_oid(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    """It is compared once it was sent: hashing it twice would take as long as sending it."""
    size = _MOST_REGULAR + 1
    tmp_path.joinpath("config.json").write_bytes(b"{}")
    with tmp_path.joinpath(SHARD).open("wb") as file:
        file.truncate(size)
    made = receipt({"config.json": b"{}", SHARD: b""})
    record = made.files[SHARD].model_copy(update={"size": size})
    made = made.model_copy(update={"files": {**made.files, SHARD: record}})
    piece = pieces_of(tmp_path, made)[SHARD]
    assert (piece.size, piece.sha256, piece.oid) == (size, record.sha256, None)


def plant_change(folder: Path) -> str:
    (folder / "config.json").write_text('{"model_type": "lllll"}')
    return "`config.json` in .* isn't what the receipt says"


def plant_size(folder: Path) -> str:
    (folder / SHARD).write_bytes(b"")
    return f"`{SHARD}` in .* has another size"


def plant_loss(folder: Path) -> str:
    (folder / SHARD).unlink()
    return f"`{SHARD}` in .* is missing"


def plant_more(folder: Path) -> str:
    (folder / "secret.txt").write_text("mine")
    return "`secret.txt` in .* isn't in the receipt"


def plant_link(folder: Path) -> str:
    """A folder from somebody else must not send files of this machine."""
    (folder.parent / "secret").write_bytes((folder / SHARD).read_bytes())
    (folder / SHARD).unlink()
    (folder / SHARD).symlink_to(folder.parent / "secret")
    return f"`{SHARD}` in .* is missing"


@pytest.mark.parametrize(
    "plant",
    [plant_change, plant_size, plant_loss, plant_more, plant_link],
    ids=lambda p: p.__name__,
)
def test_a_folder_that_is_not_its_receipt_s_is_not_sent(folder: Path, plant: object) -> None:
    assert callable(plant)
    with pytest.raises(Corrupt, match=plant(folder)) as caught:
        pieces_of(folder, told(folder))
    assert f"adapter-merge verify {folder}" in caught.value.hint


def test_a_receipt_that_lists_files_of_this_machine_is_not_followed(folder: Path) -> None:
    (folder.parent / "secret").write_text("mine")
    made = told(folder)
    bad = made.model_copy(
        update={"files": {**made.files, "../secret": receipt({"s": b"mine"}).files["s"]}}
    )
    with pytest.raises(AdapterMergeError, match=r"`\.\./secret` in .* is missing"):
        pieces_of(folder, bad)
