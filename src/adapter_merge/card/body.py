"""The text of the card: people's own, with one line and one block of ours in it."""

from __future__ import annotations

import re

from adapter_merge.markup import defused, heading_lines
from adapter_merge.readme import BEGIN, END, LINE

_MOST = 100_000  # characters of an adapter's text
_BLOCK = re.compile(rf"{BEGIN}.*?{END}\n?", re.DOTALL)
_LINE = re.compile(rf"^.*{LINE}[ \t]*\n?", re.MULTILINE)
_HALF = re.compile(rf"(?:{BEGIN}|{END})\n?")
# PEFT's template of a card, where nobody filled it in.
_UNFILLED = re.compile(
    r"\[More Information Needed\]|^#+ Model Card for Model ID\s*$|^Carbon emissions can be estimated"
    r"|^### Framework versions\s*$|^- PEFT \d|^Use the code below to get|^Users \(both direct and downstream\)",
    re.IGNORECASE,
)
_LABEL = re.compile(r"\*\*[^*]+:\*\*\s*")  # alone on its line, it stands above something


def block_of(body: str) -> str:
    """Our block as it stands in a text; empty where there is none."""
    match = _BLOCK.search(body)
    return match[0] if match is not None else ""


def updated(body: str, *, line: str, block: str) -> str:
    """A text that stands, with our line and our block written anew; all else as people left it.

    A line that people deleted stays deleted, a block that they deleted comes back at the end. Where they
    deleted one of its marks, nobody can tell where it ended: what is left of it is theirs.
    """
    body = _LINE.sub(lambda _: _marked_line(line), body, count=1)
    first, *others = (_HALF.sub("", part) for part in _BLOCK.split(body))
    if not others:
        return f"{first.rstrip()}\n\n{_marked(block)}"
    return f"{first}{_marked(block)}{''.join(others)}"


def first(text: str, *, line: str, block: str, title: str) -> str:
    """The text of a new card around people's own."""
    text = text.strip()
    if 1 not in heading_lines(text).values():
        text = f"# {title}\n\n{text}".strip()
    return f"\n{_marked_line(line)}\n{text}\n\n{_marked(block)}"


def without_marks(body: str) -> str:
    """A text without our line and block, as it can stand around new ones."""
    return _HALF.sub("", _BLOCK.sub("", _LINE.sub("", body)))


def _marked(block: str) -> str:
    return f"{BEGIN}\n{_unmarked(block.strip())}\n{END}\n"


def _marked_line(line: str) -> str:
    return f"{_unmarked(line)} {LINE}\n"


def _unmarked(text: str) -> str:
    """The text with marks that aren't ours broken: a stranger's citation may hold one."""
    return text.replace("<!-- adapter-merge:", "<!- adapter-merge:")


def own_text(body: str) -> str:
    """An adapter's text: defused, without marks that look like ours, and without what nobody filled in."""
    if len(body) > _MOST:
        body = (
            f"{body[:_MOST].rpartition(chr(10))[0]}\n\n(The text goes on in the adapter's card.)\n"
        )
    return _filled(_unmarked(defused(body))).strip()


def _filled(text: str) -> str:
    """The text without unfilled lines of PEFT's template, and without headings that have nothing below them."""
    lines = text.split("\n")
    filled = [line for line in lines if not _UNFILLED.search(line)]
    if len(filled) == len(lines):
        return text
    levels = heading_lines("\n".join(filled))
    kept: list[str] = []
    below = 0  # what follows: the level of a heading, 7 for a label, 8 for text, 0 for the end
    for number in reversed(range(len(filled))):
        line = filled[number]
        level = levels.get(number) or (7 if _LABEL.fullmatch(line) else 8)
        if level < 8 and below <= level:
            continue
        if line.strip():
            below = level
        kept.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(reversed(kept)))
