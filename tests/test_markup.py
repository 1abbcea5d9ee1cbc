from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter_merge.markup import active, defused, heading_lines

PIECES = [
    "<",
    "</",
    ">",
    "<!--",
    "-->",
    "`",
    "``",
    "```",
    "~~~",
    "[",
    "](",
    ")",
    "[a]:",
    "javascript:",
    "data:",
    "<script>",
    "</script>",
    "<b>",
    "<a\\",
    "href=",
    "<img\\",
    "src=x",
    "onerror=1",
    "'",
    '"',
    ">",
    "-",
    "|",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "<svg/",
    "onload=",
    "<style>",
    "<textarea>",
    "\\",
    "&lt;",
    "&#106;avascript:",
    "https://x.org",
    "text",
    "<iframe\\",
    "src=x>",
]


_DECLARATIONS = [
    "<![badge](https://x.y/z.svg)>",
    "a <![CDATA[x]]> b",
    "<![if IE]>",
    "<!",
    "<![",
    "<!x>",
    "<?php x ?>",
    "<!DOCTYPE x [<!y",
]


@pytest.mark.parametrize(
    "kept",
    [
        "a < b and 2 > 1",
        "`List<int>` and ``a ` <b onclick=1>``",
        "<https://x.org/a>",
        "```\n<script>\n```\n",
        "    <script>\n",
        "<details>\n<summary>More</summary>\n\ntext\n</details>\n",
        '<p align="center"><img src="https://a.b/c.png" alt="A chart" width="80%"></p>',
        '<a href="https://x.org">link</a>',
        "[link](https://x.org) ![image](plot.png)",
        "&lt;s&gt; &#60;",
        "| a | b |\n|---|---|\n| <br> | 2 |\n",
    ],
)
def test_harmless_markdown_stays_as_it_is(kept: str) -> None:
    assert defused(kept) == kept
    assert active(kept) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<script>alert(1)</script>text", "text"),
        ("a <!-- note --> b", "a  b"),
        ("<think> and <|im_end|> and </s>", "&lt;think> and <|im_end|> and &lt;/s>"),
        ("<b onclick='x()'>bold</b>", "<b>bold</b>"),
        ("<IMG SRC='https://x/y' onerror=x>", '<img src="https://x/y" alt="">'),
        ("<img src=x onerror=1 alt='a \"b'>", "a b"),
        ("<a href='javascript:x'>no</a>", "no"),
        ("<span style='x'>text</span>", "text"),
        ("<iframe src=x></iframe>after", "after"),
        ("[a](javascript:alert(1))", "[a](unsafe:alert(1))"),
        ("![a](data:image/png;base64,AA)", "![a](unsafe:image/png;base64,AA)"),
        ("[a]: JavaScript:alert(1)", "[a]: unsafe:alert(1)"),
        ("<img src=x", "&lt;img src=x"),
        ("> <script>x</script>\n> - y", "> \n> - y"),
    ],
)
def test_what_has_an_effect_loses_it(text: str, expected: str) -> None:
    assert defused(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "<script>x</script>",
        "text <img src=x onerror=1> text",
        "<b onclick=x>",
        "<svg onload=x>",
        "<iframe src=x></iframe>",
        "[a](javascript:alert(1))",
        "[a][b]\n\n[b]: data:text/html,x",
        "[b](&#106;avascript:alert(1))",
        '<a href="javascript:x">a</a>',
        '<div style="position:fixed">',
        "<style>p {}</style>",
    ],
)
def test_what_has_an_effect_is_seen(text: str) -> None:
    assert active(text)
    assert not active(defused(text))


@pytest.mark.parametrize(
    "text",
    _DECLARATIONS,
)
def test_what_looks_like_a_declaration_is_text(text: str) -> None:
    assert active(defused(text)) == ()
    assert active(defused(f"# Title\n\n{text}\n\nmore")) == ()


@given(
    st.lists(
        st.sampled_from(
            _DECLARATIONS + [p.replace("\\", " ") for p in PIECES] + ["\n", "\n\n", "    ", " "]
        ),
        max_size=16,
    )
)
@settings(max_examples=400, deadline=None)
def test_nothing_survives_whatever_is_put_together(pieces: list[str]) -> None:
    assert active(defused("".join(pieces))) == ()


@pytest.mark.parametrize(
    "piece", ["<", "`", "[x](", "<!--", "<b ", "> ", "*", "`a", "<a href=", "&"]
)
def test_a_hostile_text_takes_no_long_time(piece: str) -> None:
    start = time.monotonic()
    defused(piece * (60_000 // len(piece)))
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("text", ["[x](" + " " * 60_000, "[x]: " + " " * 60_000 + "y"])
def test_spaces_before_an_address_take_no_long_time(text: str) -> None:
    start = time.monotonic()
    defused(text)
    assert time.monotonic() - start < 5


def test_comments_that_never_end_take_no_long_time() -> None:
    start = time.monotonic()
    assert active("<!-- <b onclick=x> " * 20_000)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("end", ["\u2028", "\x0c", "\x85", "\r", "\r\n"])
def test_code_is_found_behind_whatever_ends_a_line(end: str) -> None:
    code = "```html\n<p onclick=x>\n<span>kept</span>\n```\n"
    assert defused(f"a{end}b\n{code}<script>x</script>") == f"a{end}b\n{code}"


def test_headings_are_found_where_a_renderer_sees_them() -> None:
    text = "# One\n\n```python\n# no heading\n```\n\nTwo\n---\n### Three\n"
    assert heading_lines(text) == {0: 1, 6: 2, 8: 3}
    assert re.search("no heading", text)
