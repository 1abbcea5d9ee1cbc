"""Side files that differ from their source in declared places only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from adapter_merge.layouts.repo import Repo
from adapter_merge.plan import Change


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """A value for one key of a JSON file.

    `where` leads to the nested object that has the key; in a list it begins with a number.
    """

    file: str
    where: tuple[str | int, ...] = ()
    key: str
    value: object
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewrite:
    """New content for one file, where it comes from, and every difference in it."""

    path: str
    origin: str
    content: bytes
    changes: tuple[Change, ...]


def rewrite(repo: Repo, wanted: Iterable[Assignment]) -> tuple[Rewrite, ...]:
    """Apply assignments to a source's files; a file whose values all stand there already stays as it is.

    Raises:
        Corrupt: a file isn't a JSON object, or a list of them where an assignment says so.
    """
    by_file: dict[str, list[Assignment]] = {}
    for assignment in wanted:
        by_file.setdefault(assignment.file, []).append(assignment)
    found: list[Rewrite] = []
    for path, assignments in by_file.items():
        is_list = any(isinstance(part, int) for a in assignments for part in a.where[:1])
        content: Any = repo.objects(path) if is_list else repo.object(path)
        changes = tuple(c for a in assignments if (c := _assign(content, a)) is not None)
        if changes:
            found.append(
                Rewrite(path=path, origin=repo.origin, content=encode(content), changes=changes)
            )
    return tuple(found)


def _assign(content: Any, wanted: Assignment) -> Change | None:
    holder = content
    for key in wanted.where:
        holder = holder[key]
    before = holder.get(wanted.key)
    if before == wanted.value:
        return None
    holder[wanted.key] = wanted.value
    name = ".".join(map(str, (*wanted.where, wanted.key)))
    subject = f"{wanted.file}: {name}"
    return Change(subject=subject, before=before, after=wanted.value, why=wanted.why)


def encode(value: Mapping[str, object] | list[object]) -> bytes:
    """A JSON object, or a list, as the libraries write it: key order kept, two spaces, a newline at the end."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
