"""Which files of a repository are licences, notices and use policies."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

_TEXTS = ("license*", "licence*", "copying*")
_NOTICES = ("notice*",)
_POLICIES = ("use_policy*",)
_OF_ADAPTER = re.compile(r"adapter-(?:\d+-)?")


def is_licence_file(path: str) -> bool:
    """Whether a file has to go wherever the weights go; `path` is its path in the repository, with `/`."""
    return _fits(path, (*_TEXTS, *_NOTICES, *_POLICIES))


def licence_texts(paths: Iterable[str]) -> tuple[str, ...]:
    """The files that hold a licence's text."""
    return tuple(sorted(p for p in paths if _fits(p, _TEXTS)))


def notices(paths: Iterable[str]) -> tuple[str, ...]:
    """The files that hold what others want to be said."""
    return tuple(sorted(p for p in paths if _fits(p, _NOTICES)))


def names_in_result(path: str, number: int) -> Iterator[str]:
    """What a licence file of the adapter with this number, from 1, may be called where others have its name."""
    yield path
    if number == 1:
        yield f"adapter-{path}"
    for free in itertools.count(max(number, 2)):
        yield f"adapter-{free}-{path}"


def _fits(path: str, patterns: tuple[str, ...]) -> bool:
    own = path.lower()
    own = own[match.end() :] if (match := _OF_ADAPTER.match(own)) is not None else own
    return "/" not in own and any(fnmatchcase(own, p) for p in patterns)
