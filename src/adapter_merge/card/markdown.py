"""Strangers' text as values in Markdown: names, sentences, table cells, code."""

from __future__ import annotations

import re

_MOST = 300  # characters of one value
# Whole runs of one length, as CommonMark has it: what it takes for no span must be text here too.
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_ACTIVE = re.compile(r"([\\*_\[\]~#!])")
_CALL = re.compile(r"(?<!\w)@(?=\w)")


def plain(value: object, most: int = _MOST) -> str:
    """One line without control characters, cut where it is too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return line if len(line) <= most else f"{line[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def code(value: object) -> str:
    """A code span; nothing in it is markup."""
    text = plain(value).replace("`", "'").replace("|", "\N{BROKEN BAR}")
    return f"`{text}`" if text else "`-`"


def sentence(value: object) -> str:
    """A sentence of ours that may quote a stranger in code spans: what stands outside of them is text."""
    text, at, parts = plain(value).replace("|", "\N{BROKEN BAR}"), 0, list[str]()
    for span in _SPAN.finditer(text):
        parts += [_inert(text[at : span.start()]), span[0]]
        at = span.end()
    return "".join([*parts, _inert(text[at:])])


def _inert(text: str) -> str:
    entities = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _ACTIVE.sub(r"\\\1", entities).replace("`", "&#96;").replace("://", "&#58;//")


def fenced(text: str, language: str) -> str:
    """A code block whose fence is longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.strip()}\n{fence}"


def quiet(text: str) -> str:
    """Text that calls nobody who happens to be named in it, where `@name` sends somebody a message."""
    return _CALL.sub("@\N{WORD JOINER}", text)
