"""Citations that a card asks for: its BibTeX blocks."""

from __future__ import annotations

import re

_BIBTEX = re.compile(
    r"^(?P<fence>```+|~~~+)[ \t]*(?:bibtex|latex)?[ \t]*\n"
    # Up to the next fence, whichever: text whose blocks never end is searched once, not once a block.
    r"(?P<text>@\w+\{.*\n(?:(?!```|~~~).*\n)*)(?P=fence)[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
_MOST, _LONGEST = 5, 4000


def citations(body: str) -> tuple[str, ...]:
    """The BibTeX entries of a text, each block once."""
    found = (m["text"].strip() for m in _BIBTEX.finditer(body))
    return tuple(dict.fromkeys(text for text in found if len(text) <= _LONGEST))[:_MOST]
