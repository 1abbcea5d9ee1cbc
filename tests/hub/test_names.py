"""File names: those that are refused anywhere, and those that only some disks can't tell apart."""

from __future__ import annotations

import pytest

from adapter_merge.errors import Corrupt
from adapter_merge.hub.names import require_apart, require_plain


@pytest.mark.parametrize(
    "path",
    [
        "config.json",
        "a/b/c.safetensors",
        ".gitattributes",
        "..a/b..",
        "mit Leerzeichen.txt",
        "模型/权重.bin",
        "é" * 127,
        "C:x",
    ],
)
def test_plain_names_pass(path: str) -> None:
    require_plain([path], repo="org/name")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "is empty"),
        ("a//b", "is empty"),
        ("a/ /b", "is empty"),
        ("a/", "is empty"),
        ("/a", "absolute"),
        ("..", "leads out"),
        ("a/./b", "leads out"),
        ("a\\..\\b", "backslash"),
        ("a\tb", "control"),
        ("a\x7fb", "control"),
        ("a\u2028b", "control"),
        ("\u202efdp.exe", "control"),
        ("\ud800", "control"),
        ("é" * 128, "too long"),
        ("a/" * 600 + "b", "too long"),
    ],
)
def test_other_names_are_refused(path: str, words: str) -> None:
    with pytest.raises(Corrupt, match=words) as caught:
        require_plain(["good", path], repo="org/name")
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    ("paths", "folds"),
    [
        (["README.md", "readme.md"], True),
        (["Sub/a", "sub/A"], True),
        (["\u00e9.json", "e\u0301.json"], True),
        (["straße", "STRASSE"], True),
        (["a", "a/b"], False),
        (["A", "a/b"], True),
    ],
)
def test_names_that_overwrite_each_other_are_refused(paths: list[str], folds: bool) -> None:
    with pytest.raises(Corrupt):
        require_apart(paths, repo="org/name", folds=folds)


def test_names_that_the_disk_tells_apart_pass() -> None:
    require_apart(["README.md", "readme.md", "a/b", "a/c"], repo="org/name", folds=False)
    require_apart(["a", "b/a", "b/b"], repo="org/name", folds=True)
