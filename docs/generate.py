"""Write the generated pages from the code; with `--check`, only say whether they and all links hold."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pages import pages

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)


def stale() -> list[str]:
    """The generated pages that differ from the code."""
    return [name for name, content in pages().items() if _read(DOCS / name) != content]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def dead_links() -> list[str]:
    """Links of our pages that lead to no file or no heading, as `page: target`."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    return [
        f"{page.relative_to(ROOT)}: {target}"
        for page in sorted(found)
        for target in _LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target and not _leads(page, target)
    ]


def _leads(page: Path, target: str) -> bool:
    name, _, heading = target.partition("#")
    there = page.parent / name if name else page
    return there.exists() and (not heading or heading in _anchors(there))


def _anchors(page: Path) -> Iterator[str]:
    """The headings of a page as GitHub spells them in addresses."""
    for title in _HEADING.findall(page.read_text(encoding="utf-8")):
        yield re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")


def main(arguments: list[str]) -> int:
    """Write the pages, or check them; the result is the exit code."""
    if arguments == ["--check"]:
        faults = [f"docs/{name} is not up to date: run `make docs`" for name in stale()]
        faults += [f"dead link in {link}" for link in dead_links()]
        print("\n".join(faults) or "docs are up to date")
        return 1 if faults else 0
    for name, content in pages().items():
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / name).write_text(content, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
