from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from adapter_merge.card.markdown import code, fenced, plain, sentence

HOSTILE = [
    "<script>x</script>",
    "`<b onclick=1>`",
    "a ` b <i> ` c",
    "[a](javascript:x)",
    "![a](https://x/y.png)",
    "**bold** _it_ ~~s~~ # h",
    "a | b | c",
    "line\nnext\x1b[31m",
    "\\` <b>",
    "https://evil.example",
    "```",
    "``a` <b>x</b> `c` d",
    "`a`` <i> ``b` <b>x</b> ```",
    "`` <b>x</b> `",
    "&lt;b&gt;",
]


def rendered(text: str) -> str:
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_value_is_one_cell_of_text(text: str) -> None:
    for value in (code(text), sentence(text)):
        html = rendered(f"| a | b |\n|---|---|\n| {value} | end |\n")
        assert html.count("<td>") == 2
        assert "<td>end</td>" in html
        for tag in ("<script", "<b ", "<b>", "<i>", "<a ", "<img", "<strong", "<em"):
            assert tag not in html


def test_code_spans_of_our_sentences_stay_code() -> None:
    assert sentence("the base is `a_b*c`, not d_e") == "the base is `a_b*c`, not d\\_e"


def test_a_long_value_is_cut() -> None:
    assert len(plain("x" * 1000)) == 300
    assert plain("x" * 1000).endswith("\N{HORIZONTAL ELLIPSIS}")
    assert code("") == "`-`"


@pytest.mark.parametrize("text", ["print(1)", "```\ninner\n```", "`````"])
def test_a_code_block_ends_where_it_should(text: str) -> None:
    tokens = MarkdownIt().parse(f"{fenced(text, 'python')}\n\nafter")
    assert [t.type for t in tokens][:2] == ["fence", "paragraph_open"]
    assert tokens[0].content.strip() == text
