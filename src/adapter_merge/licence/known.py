"""The licences that the Hub knows, and what a family of them asks of whoever passes weights on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

_DATA = Path(__file__).with_name("known.toml")
_FILLERS = re.compile(r"\b(?:the|licen[cs]e|version|agreement|only|or|later)\b|\bv(?=\.?\s?\d)")
_VERSION = re.compile(r"(?<=[a-z])v(?=\d)")  # GPLv3
_CREATIVE_COMMONS = re.compile(r"cc[- ]by((?:[- ](?:nc|nd|sa))*)(?:[- ][\d.]+)?")


class Kind(StrEnum):
    """What matters most of a licence for a merge."""

    PERMISSIVE = "permissive"
    ATTRIBUTION = "attribution"
    COPYLEFT = "copyleft"
    NONCOMMERCIAL = "noncommercial"
    NO_DERIVATIVES = "no-derivatives"
    USE_RESTRICTED = "use-restricted"
    OTHER = "other"
    UNKNOWN = "unknown"

    @property
    def weight(self) -> int:
        """0 asks for next to nothing, 1 for a name, 2 for more: only within 2 can two exclude each other."""
        return {Kind.PERMISSIVE: 0, Kind.ATTRIBUTION: 1}.get(self, 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """What the publisher of a family of models asks for; the texts of one family differ a little.

    Attributes:
        name: `Llama` or `Gemma`.
        prefix: what the name of a changed model begins with; None where it may have any.
        display: what its card has to show; None where nothing is prescribed.
        notice: the line that its `NOTICE` holds, as the licence prescribes it.
        policy: address of the acceptable use policy, which binds whoever gets the weights.
        source: address of the text that this was taken from.
    """

    name: str
    notice: str
    policy: str
    source: str
    prefix: str | None = None
    display: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Licence:
    """One licence.

    Attributes:
        id: as the Hub calls it, or for one that it doesn't know as the card does.
        name: for people.
        link: address of its text; None where there is none, or none is known.
        listed: whether the Hub knows the identifier.
    """

    id: str
    name: str
    kind: Kind
    link: str | None = None
    family: Family | None = None
    listed: bool = True


@cache
def known() -> Mapping[str, Licence]:
    """Every licence of the Hub's list, by its identifier."""
    data = _read()
    families = {key: Family(**value) for key, value in data["families"].items()}
    return {key: _licence(key, v, families.get(key)) for key, v in data["licences"].items()}


def _licence(key: str, entry: Mapping[str, Any], family: Family | None) -> Licence:
    kind = Kind(entry["kind"])
    return Licence(id=key, name=entry["name"], kind=kind, link=entry.get("link"), family=family)


def find(text: str) -> Licence:
    """The licence that somebody means: `Apache 2.0`, `MIT License` and `GPLv3` are known too.

    One that isn't on the Hub's list keeps its text as identifier; its kind is unknown, unless it is one of
    Creative Commons', whose identifiers say what they are.
    """
    found = _spellings().get(squashed(text))
    return found or Licence(id=text, name=text, kind=_kind_by_name(text), listed=False)


def squashed(text: str) -> str:
    """A licence's name without what people write differently: case, fillers, punctuation, `.0`."""
    text = re.sub(r"[-_,/()]", " ", text.lower())
    text = _VERSION.sub(" ", _FILLERS.sub(" ", text))
    return re.sub(r"[^a-z\d.+]|\.0(?!\d)", "", text).strip(".")


@cache
def _spellings() -> Mapping[str, Licence]:
    return {squashed(text): known()[key] for key, text in spellings()}


def spellings() -> Iterator[tuple[str, str]]:
    """Every spelling of the data, as (identifier, spelling)."""
    for key, entry in _read()["licences"].items():
        for text in (key, entry["name"], *entry.get("also", ())):
            yield key, text


@cache
def _read() -> Mapping[str, Any]:
    return tomllib.loads(_DATA.read_text(encoding="utf-8"))


def _kind_by_name(text: str) -> Kind:
    match = _CREATIVE_COMMONS.fullmatch(text.lower())
    if match is None:
        return Kind.UNKNOWN
    for part, kind in (
        ("nd", Kind.NO_DERIVATIVES),
        ("nc", Kind.NONCOMMERCIAL),
        ("sa", Kind.COPYLEFT),
    ):
        if part in match[1]:
            return kind
    return Kind.ATTRIBUTION
