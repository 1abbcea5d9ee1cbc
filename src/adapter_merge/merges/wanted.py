"""Entries with the defaults in them, ready to be run, and watches, which give one for each adapter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from adapter_merge.merges.spec import Defaults, Entry, Merges, Terms, Watch, kebab
from adapter_merge.publishing import Delivery
from adapter_merge.request import AdapterRef, BaseRule, RepoRef, Request, Settings

_PLACE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """One entry with the defaults in it, ready to be run.

    Attributes:
        number: its place in the file, from 1; what watches find comes behind that.
        request: its adapters as they are written, which may still move.
        bases: see `Merges`.
        supersedes: the repository that the target takes the place of.
        skip: why nothing is done for it, whatever there is; None for nearly all.
        notes: what else is to be known.
    """

    number: int = field(compare=False)
    request: Request
    terms: Terms
    bases: Mapping[str, RepoRef]
    supersedes: str | None = None
    skip: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.request.target.text

    def fits(self, glob: str) -> bool:
        """Whether a pattern names its target or one of its adapters."""
        refs = [a.ref for a in self.request.adapters]
        names = (self.label, *(ref.text for ref in refs), *(ref.repo for ref in refs if ref.repo))
        return any(fnmatchcase(name, glob) for name in names)

    def reads(self, repo: str) -> bool:
        """Whether one of its adapters lies in this repository on a Hub, at whatever revision and folder."""
        known = (a.ref.repo for a in self.request.adapters)
        return any(name is not None and name.casefold() == repo.casefold() for name in known)

    def again(self) -> Wanted:
        """The same, made anew where it stands already."""
        return replace(self, request=self.request.model_copy(update={"rebuild": True}))

    def mapped_base(self, written: str) -> RepoRef | None:
        """The base for what an adapter writes; None where no pattern fits."""
        return next((ref for glob, ref in self.bases.items() if fnmatchcase(written, glob)), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """One watch with the file around it.

    Attributes:
        watch: whose adapters, and which of them.
        file: all that the file says.
    """

    watch: Watch
    file: Merges

    def wanted(self, repo: str, *, number: int) -> Wanted:
        """The entry of one of the owner's adapters.

        Raises:
            ValueError: no request can be made of it.
        """
        adapter = AdapterRef.model_validate({"ref": repo})
        return complete(self.watch.entry(adapter), self.file, number=number)


@dataclass(frozen=True, kw_only=True, slots=True)
class Roster:
    """All that a merges.yaml asks for: entries, and watches, which `reconcile.expand` makes entries of."""

    entries: tuple[Wanted, ...]
    watches: tuple[Watched, ...] = ()


def complete(entry: Entry, file: Merges, *, number: int) -> Wanted:
    """An entry with the file's defaults in it.

    Raises:
        Untargeted: its target can't be told.
        ValueError: what it says doesn't go together.
    """
    defaults = file.defaults
    terms = {
        f for f in defaults.model_fields_set | entry.model_fields_set if f in Terms.model_fields
    }
    said = {f: getattr(entry if f in entry.model_fields_set else defaults, f) for f in terms}
    target = _target(entry, defaults)
    asked = {**_options(defaults), **_options(entry), "adapters": entry.adapter}
    kept = Terms.model_validate({kebab(f): v for f, v in said.items()})
    place: Literal["entry", "watch"] = "watch" if entry.from_watch else "entry"
    rule = BaseRule(only=kept.only_bases, place=place)
    request = Request.model_validate(asked | ({} if target is None else {"to": target}))
    return Wanted(
        number=number,
        request=request.model_copy(update={"base_rule": rule}),
        terms=kept,
        bases=file.bases,
        supersedes=entry.supersedes,
    )


class Untargeted(ValueError):
    """The `to` of an entry can't be filled."""


def _options(entry: Defaults) -> dict[str, Any]:
    """The options of `run` that were written, by field."""
    known = (Settings.model_fields.keys() | Delivery.model_fields.keys()) - {"to"}
    return {f: getattr(entry, f) for f in entry.model_fields_set & known}


def _target(entry: Entry, defaults: Defaults) -> RepoRef | None:
    """Where the result goes, with the placeholders filled in; None where nothing says so.

    Raises:
        Untargeted: they can't be, or it is no target.
    """
    text = defaults.to if entry.to is None else entry.to
    if text is None:
        return None
    places = set(_PLACE.findall(text))
    known = _names(entry.adapter)
    if places - known.keys():
        unknown = min(places - known.keys())
        raise Untargeted(
            f"`{{{unknown}}}` in `{text}` is nothing that the adapter has; write the target out"
            if unknown in {"owner", "name"}
            else f"`{text}` may hold `{{owner}}` and `{{name}}`, not `{{{unknown}}}`"
        )
    return RepoRef.model_validate(_PLACE.sub(lambda m: known[m[1]], text))


def _names(adapters: Sequence[AdapterRef]) -> dict[str, str]:
    """What placeholders stand for; from several adapters no name follows."""
    if len(adapters) > 1:
        return {}
    ref = adapters[0].ref
    if ref.repo is None:
        return {"name": ref.name}
    owner, slash, name = ref.repo.rpartition("/")
    return {"name": name, **({"owner": owner} if slash else {})}
