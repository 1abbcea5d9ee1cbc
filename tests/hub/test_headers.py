"""Headers that lie, read by range: the same judgement as for a file on disk."""

from __future__ import annotations

import pytest

from adapter_merge.errors import Corrupt
from tests.build import entry, pack
from tests.hub.stock import WEIGHTS, Stocked

LIES: dict[str, tuple[bytes, str]] = {
    "no file": (b"", "too few for a header"),
    "a few bytes": (b"\x01\x00", "too few for a header"),
    "a length beyond its end": ((1000).to_bytes(8, "little") + b"{}", "but the file ends after"),
    "a length beyond all files": (b"\xff" * 8 + b"{}", "at most"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
    "overlaps": (
        pack({"a": entry("U8", [4], 0, 4), "b": entry("U8", [4], 2, 6)}, bytes(6)),
        "overlaps",
    ),
    "a hole": (
        pack({"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 4, 6)}, bytes(6)),
        "belong to no tensor",
    ),
    "bytes that are missing": (pack({"a": entry("U8", [9], 0, 9)}, bytes(4)), "ends too early"),
    "bytes too many": (pack({"a": entry("U8", [4], 0, 4)}, bytes(9)), "belong to no tensor"),
    "a wrong shape": (pack({"a": entry("F32", [4], 0, 4)}, bytes(4)), "needs 16"),
    "no JSON": (pack(b"{nonsense"), "not valid"),
    "endless JSON": (pack(b'{"a":' * 50_000), "not a valid"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_corrupt(lie: str, plain: Stocked) -> None:
    content, words = LIES[lie]
    plain.add("org/evil", {"config.json": b"{}", f"sub/{WEIGHTS}": content})
    found = plain.open("org/evil/sub")
    with pytest.raises(Corrupt, match=words):
        found.header(WEIGHTS)
    assert sum(r.sent for r in plain.server.requests) < 500_000


def test_a_header_longer_than_the_guess_takes_one_more_request(plain: Stocked) -> None:
    names = [f"model.layers.{n}.a_rather_long_name.weight" for n in range(5000)]
    content = pack({name: entry("U8", [1], n, n + 1) for n, name in enumerate(names)}, bytes(5000))
    plain.add("org/base", {"config.json": b"{}", WEIGHTS: content})
    found = plain.open("org/base")
    before = len(plain.asked())
    assert len(found.header(WEIGHTS).tensors) == 5000
    assert len(plain.asked()) - before == 4
    found.have([WEIGHTS])
