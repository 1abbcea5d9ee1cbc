"""A list of files that can't be one: each entry is judged before a byte is pulled."""

from __future__ import annotations

import json

import pytest

from adapter_merge.errors import AdapterMergeError, Corrupt
from adapter_merge.localhub import Fault, Status
from tests.hub.stock import Stocked

OID, SHA256 = "a" * 40, "b" * 64
FILE = {"type": "file", "path": "x.json", "size": 3, "oid": OID}
LARGE = {"lfs": {"oid": SHA256, "size": 3, "pointerSize": 1}}

LISTS: dict[str, tuple[object, str]] = {
    "twice": ([FILE, FILE], "`x.json` twice"),
    "no name": ([{**FILE, "path": None}], "a file without a name"),
    "no size": ([{**FILE, "size": None}], "without size and digest"),
    "a negative size": ([{**FILE, "size": -1}], "without size and digest"),
    "a size that is a word": ([{**FILE, "size": True}], "without size and digest"),
    "no digest": ([{**FILE, "oid": "main"}], "without size and digest"),
    "a digest that leads elsewhere": (
        [{**FILE, "lfs": {"oid": "../../x", "size": 3}}],
        "without its sha256",
    ),
    "no sha256": ([{**FILE, "lfs": {}}], "without its sha256"),
    "another size": ([{**FILE, **LARGE, "size": 4}], "two sizes, 4 and 3"),
    "a name that leads elsewhere": ([{**FILE, "path": "../x"}], "leads out of its folder"),
    "no list": ({"error": "x"}, "sends no list"),
    "a list of words": (["x"], "sends no list"),
}


@pytest.mark.parametrize("case", LISTS)
def test_a_list_that_can_not_be_one_is_refused(case: str, plain: Stocked) -> None:
    answer, words = LISTS[case]
    plain.add("org/base", {"config.json": b"{}"})
    body = Status(status=200, body=json.dumps(answer).encode())
    plain.server.fail(Fault(on="/tree/", does=body))
    with pytest.raises(Corrupt, match=words):
        plain.open("org/base")
    assert not plain.cache.exists()


def test_a_file_of_another_folder_is_refused(plain: Stocked) -> None:
    plain.add("org/base", {"sub/config.json": b"{}"})
    body = Status(status=200, body=json.dumps([FILE]).encode())
    plain.server.fail(Fault(on="/tree/", does=body))
    with pytest.raises(Corrupt, match=r"`x.json`, which isn't in `sub`"):
        plain.open("org/base/sub")


def test_what_else_an_entry_says_is_no_matter(plain: Stocked) -> None:
    plain.add("org/base", {"config.json": b"{}"})
    entries = [{**FILE, **LARGE, "xetHash": "c" * 64, "new": 1}, {"type": "directory", "path": "y"}]
    plain.server.fail(
        Fault(on="/tree/", does=Status(status=200, body=json.dumps(entries).encode()))
    )
    found = plain.open("org/base")
    assert found.files == {"x.json": 3}
    assert found.digest("x.json") == f"sha256:{SHA256}"
    assert found.listing["x.json"].xet


@pytest.mark.parametrize("sha", [None, "main", "../..", 7])
def test_a_commit_that_is_none_is_refused(sha: object, plain: Stocked) -> None:
    plain.add("org/base", {"config.json": b"{}"})
    body = json.dumps({"id": "org/base", "sha": sha, "private": False, "gated": False}).encode()
    plain.server.fail(
        Fault(on="/api/models/org/base\\?", does=Status(status=200, body=body), times=9)
    )
    with pytest.raises(AdapterMergeError, match=r"names no commit|no Hub sends"):
        plain.open("org/base")
