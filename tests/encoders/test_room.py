"""What a container leaves free, from the files that its kernel shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from adapter_merge.encoders.room import containers

_TWO, _ONE = ("memory.max", "memory.current"), ("limit_in_bytes", "usage_in_bytes")
_OLD = tuple(f"memory/memory.{name}" for name in _ONE)


def _shown(root: Path, texts: Mapping[str, str]) -> Path:
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.mark.parametrize(
    ("texts", "free"),
    [
        ({}, []),
        (dict(zip(_TWO, ("900\n", "300\n"), strict=True)), [600]),
        (dict(zip(_TWO, ("max\n", "300\n"), strict=True)), [None]),
        (dict(zip(_OLD, ("900\n", "1000\n"), strict=True)), [-100]),
        (dict(zip((*_TWO, *_OLD), ("max", "3", "900", "300"), strict=True)), [None, 600]),
        ({"memory.max": "900"}, []),
    ],
)
def test_what_a_container_leaves(
    texts: Mapping[str, str], free: list[int | None], tmp_path: Path
) -> None:
    assert containers(_shown(tmp_path, texts)) == free
