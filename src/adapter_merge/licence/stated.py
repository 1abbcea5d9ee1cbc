"""What one card says about its licence. The text of a LICENSE file isn't read: nobody could trust the guess."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from adapter_merge.licence.files import licence_texts
from adapter_merge.licence.known import Kind, Licence, find, squashed
from adapter_merge.readme import README, Readme

UNKNOWN, OTHER = "unknown", "other"
_LONGEST = 200  # characters of a stranger's name; no licence's is longer
_LONGEST_LINK = 500
_WEB = re.compile(r"https?://[^\s<>\"'`()]+", re.IGNORECASE)
# No step leads up or starts with a dot, so it stays below the repository's root; none would end a Markdown link.
_PATH = re.compile(r"(?:\./)?[\w+-][\w.+-]*(?:/[\w+-][\w.+-]*)*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated:
    """One card's licence.

    Attributes:
        licences: what holds, all of them at once; empty where the card states nothing.
        ids: the same as the card's `license:` may say it on the Hub.
        name: `license_name`.
        link: `license_link`: an address on the web, or a path in the card's repository.
        trouble: why the licence isn't known, to go on after "the base"; None where it is.
    """

    licences: tuple[Licence, ...] = ()
    ids: tuple[str, ...] = ()
    name: str | None = None
    link: str | None = None
    trouble: str | None = None

    @property
    def weight(self) -> int:
        """The weight of the heaviest licence."""
        return max((licence.kind.weight for licence in self.licences), default=0)

    @property
    def heavy(self) -> frozenset[str]:
        """The licences that can exclude others, spelled so that they can be compared."""
        return frozenset(squashed(x.id) for x in self.licences if x.kind.weight == 2)

    @property
    def text(self) -> str:
        """The licences in a sentence, in backticks."""
        return " and ".join(f"`{licence.id}`" for licence in self.licences)


def stated(readme: Readme | None, files: Collection[str] = ()) -> Stated:
    """Read a card; `files` are the paths of its repository, where a licence's text may stand."""
    if readme is None:
        return Stated(trouble=f"has no `{README}`")
    if readme.trouble is not None:
        return Stated(trouble=f"has a `{README}` whose metadata can't be read")
    texts = [text for text in map(_clean, readme.texts("license")) if text]
    if not texts:
        return Stated(trouble=f"states no licence in its `{README}`")
    given = _name(readme)
    licences = tuple(dict.fromkeys(_meant(text, given) for text in texts))
    ids = tuple(dict.fromkeys(_listed(text) for text in texts))
    own = OTHER in ids
    name = given or next((x.id for x in licences if own and not x.listed), None)
    link = _link(readme, files if own else ())
    if own and link is None:
        link = next((x.link for x in licences if x.link is not None), None)
    return Stated(
        licences=tuple(x for x in licences if x.id != UNKNOWN),
        ids=tuple(x for x in ids if x != UNKNOWN),
        name=name,
        link=link,
        trouble=next((t for x in licences if (t := _trouble(x, name, link))), None),
    )


def _listed(text: str) -> str:
    found = find(text)
    return found.id if found.listed else OTHER


def _meant(text: str, name: str | None) -> Licence:
    """A licence that isn't on the Hub's list is `other`, and its name may be that of one that is."""
    found = find(text)
    if found.listed and found.id != OTHER:
        return found
    own = name or (None if found.listed else text)
    if own is None:
        return found
    meant = find(own)
    if meant.listed and meant.id not in {OTHER, UNKNOWN}:
        return meant
    kind = Kind.OTHER if meant.kind is Kind.UNKNOWN else meant.kind
    return Licence(id=own, name=own, kind=kind, listed=False)


def _trouble(licence: Licence, name: str | None, link: str | None) -> str | None:
    if licence.kind is Kind.UNKNOWN:
        what = "" if licence.id == UNKNOWN else ", which leaves open which one of them it is"
        return f"says `license: {licence.id}`{what}"
    if licence.kind is not Kind.OTHER:
        return None
    lacking = [f"`{k}`" for k, v in {"license_name": name, "license_link": link}.items() if not v]
    if not lacking:
        return None
    what = f"`{licence.id}`" if licence.listed else f"`{licence.id}`, which the Hub doesn't know,"
    return f"states the licence {what} without {' and '.join(lacking)}"


def _name(readme: Readme) -> str | None:
    text = readme.text("license_name")
    return None if text is None else _clean(text) or None


def _link(readme: Readme, files: Collection[str]) -> str | None:
    """The card's own link; without one, the file that holds the text."""
    text = readme.text("license_link") or ""
    if len(text) <= _LONGEST_LINK and (_WEB.fullmatch(text) or _PATH.fullmatch(text)):
        return text.removeprefix("./")
    return next(filter(_PATH.fullmatch, licence_texts(files)), None)


def _clean(text: str) -> str:
    """A stranger's words on one line, without what would end a literal."""
    line = " ".join(text.replace("`", "'").split())
    return "".join(c for c in line if c.isprintable())[:_LONGEST]
