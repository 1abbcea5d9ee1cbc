"""The adapters' licence files: their terms hold for the merged weights as the base's do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from adapter_merge.layouts.carried import why_left
from adapter_merge.layouts.repo import Repo
from adapter_merge.licence.files import is_licence_file, names_in_result
from adapter_merge.plan import Change, SideFile

# Who has the file of a name, and under which path in its repository.
_Holders: TypeAlias = Mapping[str, tuple[Repo, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Licence:
    """What becomes of one licence file of an adapter.

    Attributes:
        name: its name in the result; None where it is left behind.
    """

    repo: Repo
    path: str
    name: str | None
    why: str

    @property
    def file(self) -> SideFile | None:
        """The file in the result."""
        if self.name is None:
            return None
        return SideFile(
            path=self.name,
            source=self.repo.root / self.path,
            content=None,
            size=self.repo.files[self.path],
            origin=self.repo.origin,
        )

    @property
    def change(self) -> Change | None:
        """The declared change: the base has no such file."""
        if self.name is None:
            return None
        return Change(subject=self.name, before=None, after=self.repo.origin, why=self.why)


def licence_files(repo: Repo) -> tuple[str, ...]:
    """The files of a repository that have to go wherever its weights go."""
    return tuple(p for p in repo.files if is_licence_file(p) and not why_left(p, repo.origin))


def licences(base: Repo, adapters: Iterable[Repo]) -> Iterator[Licence]:
    """Decide on every licence file of the adapters, which stand in the order of their deltas."""
    # Without regard to case, as some file systems have it.
    holders = {path.lower(): (base, path) for path in base.files}
    for number, adapter in enumerate(adapters, start=1):
        for path in licence_files(adapter):
            licence = _licence(adapter, path, number, holders)
            if licence.name is not None:
                holders[licence.name.lower()] = (adapter, path)
            yield licence


def _licence(adapter: Repo, path: str, number: int, holders: _Holders) -> Licence:
    """It gets the first name that is free, unless a file under one before it says the same."""
    content = adapter.bytes(path)
    for name in names_in_result(path, number):
        holder = holders.get(name.lower())
        if holder is None:
            break
        repo, held = holder
        if repo.bytes(held) == content:
            return Licence(repo=adapter, path=path, name=None, why=f"the same as {_whose(holder)}")
    first = holders.get(path.lower())
    why = (
        "the base has no such file, and its terms hold for the merged weights"
        if first is None
        else f"it differs from {_whose(first)}, and the terms of both hold for the merged weights"
    )
    return Licence(repo=adapter, path=path, name=name, why=why)


def _whose(holder: tuple[Repo, str]) -> str:
    repo, path = holder
    return f"the base's `{path}`" if repo.is_base else f"`{path}` of {repo.label}"
