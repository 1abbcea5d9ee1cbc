"""Which files of a repository are licences, notices and use policies."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

_TEXTS = ("license*", "licence*", "copying*")
_NOTICES = ("notice*",)
_POLICIES = ("use_policy*",)


def is_licence_file(path: str) -> bool:
    """Whether a file has to go wherever the weights go; `path` is its path in the repository, with `/`."""
    return _fits(path, (*_TEXTS, *_NOTICES, *_POLICIES))


def licence_texts(paths: Iterable[str]) -> tuple[str, ...]:
    """The files that hold a licence's text."""
    return tuple(sorted(p for p in paths if _fits(p, _TEXTS)))


def notices(paths: Iterable[str]) -> tuple[str, ...]:
    """The files that hold what others want to be said."""
    return tuple(sorted(p for p in paths if _fits(p, _NOTICES)))


def _fits(path: str, patterns: tuple[str, ...]) -> bool:
    return "/" not in path and any(fnmatchcase(path.lower(), p) for p in patterns)
