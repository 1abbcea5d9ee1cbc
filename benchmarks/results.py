"""`RESULTS.md`: each bench writes its own sections, and keeps those of the others."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"


def write(text: str, file: Path = RESULTS) -> None:
    """Put a section, which begins with its heading, in the place of the one with that heading, or at the end."""
    heading = text.splitlines()[0]
    parts = re.split(r"^(?=##? )", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    kept = [part.rstrip() for part in parts if part.strip()]
    found = [n for n, part in enumerate(kept) if part.splitlines()[0] == heading]
    at = found[0] if found else len(kept)
    kept[at : at + 1] = [text.rstrip()]
    file.write_text("\n\n".join(kept) + "\n", encoding="utf-8")
