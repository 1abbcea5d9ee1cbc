"""Which file names of a stranger's repository are safe to write to this disk."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

from adapter_merge.errors import Corrupt

_LONGEST_PART = 255  # bytes, of file systems
_LONGEST = 1024  # bytes
# Control characters, halves of surrogate pairs, line ends; and what turns the direction of a line.
_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def require_plain(paths: Iterable[str], *, repo: str) -> None:
    """Refuse a repository with a name that leads elsewhere, hides what it is, or can't be written.

    Raises:
        Corrupt: one of the paths is such.
    """
    for path in paths:
        if (what := _wrong(path)) is not None:
            raise Corrupt(
                f"`{repo}` has a file whose name {what}: {_shown(path)}",
                hint="Nothing was written. Ask the repository's owner, or take another revision.",
            )


def require_apart(paths: Collection[str], *, repo: str, folds: bool) -> None:
    """Refuse names that would overwrite each other on this disk; `folds` where case makes no difference there.

    Raises:
        Corrupt: two of them do.
    """
    seen: dict[str, str] = {}
    for path in sorted(paths):
        other = seen.setdefault(_folded(path) if folds else path, path)
        if other != path:
            raise Corrupt(
                f"`{other}` and `{path}` of `{repo}` are one file on this disk",
                hint="Put the Hub's cache on a disk that tells upper from lower case, with `HF_HOME`.",
            )
    for path in paths:
        for parent in PurePosixPath(path).parents:
            if (_folded(str(parent)) if folds else str(parent)) in seen:
                raise Corrupt(
                    f"`{parent}` of `{repo}` is a file and a folder",
                    hint="Nothing was written. Ask the repository's owner.",
                )


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _wrong(path: str) -> str | None:
    parts = path.split("/")
    odd = any(unicodedata.category(letter) in _NO_TEXT or letter in _TURNS for letter in path)
    sizes = [len(text.encode(errors="replace")) for text in (path, *parts)]
    faults = {
        "is an absolute path": path.startswith("/"),
        "is empty": not all(part.strip() for part in parts),
        "leads out of its folder": not {".", ".."}.isdisjoint(parts),
        "has a backslash": "\\" in path,
        "has control characters": odd,
        "is too long": sizes[0] > _LONGEST or max(sizes[1:]) > _LONGEST_PART,
    }
    return next((words for words, found in faults.items() if found), None)


def _shown(path: str) -> str:
    return f"`{ascii(path)[1:-1][:120]}`"
