from __future__ import annotations

import time

import pytest

from adapter_merge.readme import Readme


def test_metadata_and_body_are_told_apart() -> None:
    readme = Readme.parse("---\nlicense: mit\ntags:\n- a\n---\n\n# Title\n---\nmore\n")
    assert readme.metadata == {"license": "mit", "tags": ["a"]}
    assert readme.front == "license: mit\ntags:\n- a"
    assert readme.body == "\n# Title\n---\nmore\n"


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("", ""),
        ("# Title", "# Title"),
        ("---\nlicense: mit", "---\nlicense: mit"),
        ("---\n---\ntext", "text"),
        ("\ufeff---\r\n---\r\ntext", "text"),
    ],
)
def test_a_card_may_have_no_metadata(text: str, body: str) -> None:
    readme = Readme.parse(text)
    assert (readme.metadata, readme.body, readme.trouble) == ({}, body, None)


@pytest.mark.parametrize(
    ("yaml", "value"),
    [("no", "no"), ("on", "on"), ("2024-01-01", "2024-01-01"), ("true", True), ("1", 1)],
)
def test_a_language_is_no_boolean(yaml: str, value: object) -> None:
    assert Readme.parse(f"---\nlanguage: {yaml}\n---\n").metadata == {"language": value}


@pytest.mark.parametrize(
    "front",
    [
        "a: [",
        "- a list",
        "just text",
        "a: !!python/object:os.system {}",
        "a: !!bool x",
        "a: !!timestamp x",
        "a: !!int ''",
        "a: " + "9" * 10_000,
        "a: &a [*a]",
        "a0: &a0 [x, x]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)),
        "a: " + "[" * 100_000,
        "- " * 100_000,
        "? " * 100_000,
        "\n".join(" " * n + "a:" for n in range(500)),
    ],
)
def test_broken_yaml_is_no_crash_and_keeps_the_text(front: str) -> None:
    start = time.monotonic()
    readme = Readme.parse(f"---\n{front}\n---\nbody")
    assert readme.metadata == {}
    assert readme.trouble
    assert readme.body == "body"
    assert time.monotonic() - start < 5


def test_a_number_that_python_does_not_write_is_text() -> None:
    digits = "0x" + "f" * 10_000
    assert Readme.parse(f"---\na: {digits}\nb: 0xf\n---\n").metadata == {"a": digits, "b": 15}


def test_line_ends_are_kept_apart() -> None:
    readme = Readme.parse("---\r\na: |\r\n  b\r\n---\r\n# T\r\n")
    assert (readme.metadata, readme.front, readme.body) == ({"a": "b"}, "a: |\n  b", "# T\n")
    assert (readme.newline, Readme.parse("# T\n").newline) == ("\r\n", "\n")


def test_values_are_texts_or_left_out() -> None:
    readme = Readme.parse("---\na: ' x '\nb: 3\nc: [p, 4, '', q]\nd: ''\n---\n")
    assert [readme.text(k) for k in "abcdz"] == ["x", None, None, None, None]
    assert [readme.texts(k) for k in "abcdz"] == [("x",), (), ("p", "q"), (), ()]
