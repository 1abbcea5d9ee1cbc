from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapter_merge.localhub import LocalHub
from adapter_merge.localhub.cards import front, parameters
from tests.localhub.ask import ask


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("# no metadata", None),
        ("---\nlicense: mit\n---\n", {"license": "mit"}),
        ("---\r\nlicense: mit\r\n---\r\n", {"license": "mit"}),
        ("---\n# nothing\n---\n", {}),
    ],
)
def test_front(text: str, values: dict[str, str] | None) -> None:
    assert front(text) == values


@pytest.mark.parametrize("text", ["---\na: [\n---\n", "---\n- a\n---\n", "---\na: &a [*a]\n---\n"])
def test_front_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"YAML|mapping|too many"):
        front(text)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ("---\nlicense: mit\n---\n", 200),
        ("# nothing", 200),
        ("---\nlicense: 3\n---\n", 400),
        ("---\na: [\n---\n", 400),
        ("---\nbase_model: {a: b}\n---\n", 400),
    ],
)
def test_a_card_is_judged(hub: LocalHub, content: str, status: int) -> None:
    got = ask(hub.url, "POST /api/validate-yaml", body={"content": content})
    assert got.status == status


@pytest.mark.parametrize("header", [b"", b"{{{", b"[]", b'{"w": 1}', b'{"w": {"shape": [1]}}'])
def test_weights_that_are_none_count_for_nothing(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    assert parameters([path]) == {}


def test_a_header_of_absurd_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"x" * 100)
    assert parameters([path]) == {}


def test_parameters_are_added_up_over_files(tmp_path: Path) -> None:
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "w": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]},
        }
    ).encode()
    for name in ("a", "b"):
        content = len(header).to_bytes(8, "little") + header + bytes(12)
        (tmp_path / name).write_bytes(content)
    assert parameters([tmp_path / "a", tmp_path / "b"]) == {"BF16": 12}
