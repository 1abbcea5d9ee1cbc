from __future__ import annotations

import pytest

from adapter_merge.card.body import block_of, first, own_text, updated
from adapter_merge.readme import BEGIN, END, LINE

OURS = first("# Mine\n\ntext", line="old line", block="old block", title="t")


def test_a_first_card_has_line_text_and_block_in_this_order() -> None:
    assert f"\nold line {LINE}\n\n# Mine\n\ntext\n\n{BEGIN}\nold block\n{END}\n" == OURS
    assert "# t" in first("", line="x", block="y", title="t")
    assert "# t\n\n## Part" in first("## Part", line="x", block="y", title="t")


def test_a_rerun_writes_line_and_block_only() -> None:
    edited = OURS.replace("text", "better text").replace(END, f"{END}\n\n## After\n\nmore")
    again = updated(edited, line="new line", block="new block")
    assert again == edited.replace("old line", "new line").replace("old block", "new block")
    assert updated(again, line="new line", block="new block") == again


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        ("# Mine", f"# Mine\n\n{BEGIN}\nb\n{END}\n"),
        (f"# Mine\n{BEGIN}\ndamaged", f"# Mine\ndamaged\n\n{BEGIN}\nb\n{END}\n"),
        (f"# Mine\ndamaged\n{END}\nmore", f"# Mine\ndamaged\nmore\n\n{BEGIN}\nb\n{END}\n"),
        (f"x\n{BEGIN}\n1\n{END}\ny\n{BEGIN}\n2\n{END}\nz", f"x\n{BEGIN}\nb\n{END}\ny\nz"),
    ],
    ids=["no block", "no end", "no beginning", "two blocks"],
)
def test_peoples_words_survive_a_damaged_block(standing: str, expected: str) -> None:
    assert updated(standing, line="l", block="b") == expected


def test_values_are_no_patterns() -> None:
    again = updated(OURS, line=r"\1 \g<0>", block=r"\2")
    assert r"\1 \g<0>" in again
    assert r"\2" in again


def test_the_block_is_found_again() -> None:
    assert block_of(OURS) == f"{BEGIN}\nold block\n{END}\n"
    assert block_of("# Mine") == ""


TEMPLATE = """\
---
# Model Card for Model ID

<!-- Provide a quick summary of what the model is/does. -->

## Model Details

- **Developed by:** [More Information Needed]
- **Language(s):** English

### Model Sources [optional]

- **Repository:** [More Information Needed]

## Uses

### Direct Use

[More Information Needed]

## Code

```python
# a comment
# another
```

## How to Get Started with the Model

Use the code below to get started with the model.

[More Information Needed]

## Citation [optional]

**BibTeX:**

[More Information Needed]

**APA:**

Someone (2026)

### Framework versions

- PEFT 0.15.2
"""


def test_unfilled_sections_of_a_template_go_and_filled_ones_stay() -> None:
    text = own_text(TEMPLATE.removeprefix("---\n"))
    assert text == (
        "## Model Details\n\n- **Language(s):** English\n\n"
        "## Code\n\n```python\n# a comment\n# another\n```\n\n"
        "## Citation [optional]\n\n**APA:**\n\nSomeone (2026)"
    )


def test_a_text_that_is_filled_in_is_left_alone() -> None:
    text = "# Title\n\n## Empty on purpose\n\n\n\n## Next\n\ntext"
    assert own_text(text) == text


def test_strangers_cannot_write_our_marks() -> None:
    doubled = BEGIN.replace("adapter-merge:", "adapter-merge:adapter-merge:")
    text = own_text(f"a\n{BEGIN}\n```\n{BEGIN}\n{END}\n{LINE}\n{doubled}\n```\n")
    assert not any(mark in text for mark in (BEGIN, END, LINE))


def test_a_citation_cannot_end_our_block() -> None:
    once = first("# Mine", line=f"l {LINE}", block=f"b {END} {BEGIN}", title="t")
    assert (once.count(BEGIN), once.count(END), once.count(LINE)) == (1, 1, 1)
    assert updated(once, line=f"l {LINE}", block=f"b {END} {BEGIN}") == once


def test_a_long_text_is_cut_at_a_line() -> None:
    text = own_text("word\n" * 50_000)
    assert len(text) < 101_000
    assert text.endswith("(The text goes on in the adapter's card.)")
