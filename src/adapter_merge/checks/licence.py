"""L001 to L005: the licence of the result. In a folder nothing is forbidden, so all of it only warns.

The evidence says what would be: `public` and `private`, whether a repository of that kind may have the result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from typing import TypeVar

from adapter_merge.checks.check import (
    NEEDS_SOURCES,
    WARNS_ONLY,
    Check,
    first,
    listed,
    number,
    passed,
    skipped,
    warned,
)
from adapter_merge.checks.seen import Seen
from adapter_merge.finding import Finding
from adapter_merge.licence import Concern, Doubt, Family, Terms, is_licence_file, terms_of
from adapter_merge.licence.files import licence_texts, notices
from adapter_merge.sources import Sources

_C = TypeVar("_C", bound=Check)
_OTHER = "other"


def _with_terms(
    judge: Callable[[_C, Seen, Sources, Terms], Iterable[Finding]],
) -> Callable[[_C, Seen], Iterable[Finding]]:
    @wraps(judge)
    def judge_if_known(check: _C, seen: Seen) -> Iterable[Finding]:
        if seen.sources is None:
            return (skipped(check, seen, NEEDS_SOURCES),)
        return judge(check, seen, seen.sources, terms_of(seen.sources, seen.files.keys()))

    return judge_if_known


def _sentence(concerns: Sequence[Concern]) -> str:
    return "; ".join(concern.message for concern in concerns)


def _allowed(concerns: Sequence[Concern]) -> dict[str, object]:
    return {
        "public": all(concern.doubt.public for concern in concerns),
        "private": all(concern.doubt.private for concern in concerns),
    }


class LicenceKnown:
    """L001."""

    code = "L001"
    title = "The licence is known"
    why = (
        "Merged weights are under the base's licence: without one nobody may use what is published."
    )
    fix = "Look it up where the base comes from, and state it in the base's `README.md`: `license: ...`."
    look = "Look for `license` at the top of the base's `README.md`."
    ignore = WARNS_ONLY

    @_with_terms
    def judge(self, seen: Seen, sources: Sources, terms: Terms) -> Iterable[Finding]:
        """What the card will state; a base in a folder may well be without a card."""
        concerns = terms.about(Doubt.UNKNOWN)
        if not concerns:
            yield passed(self, seen, _stated(terms), **terms.keys)
        elif sources.base.readme is None and sources.base.pinned.commit is None:
            message = (
                f"not checked: {_sentence(concerns)}; look it up before the result is published"
            )
            yield skipped(self, seen, message, **_allowed(concerns))
        else:
            yield warned(self, seen, _sentence(concerns), **_allowed(concerns))


def _stated(terms: Terms) -> str:
    """The licences in a sentence, and who states them."""
    whose = "the base's" if terms.adapter is None else "an adapter's, stricter than the base's"
    return f"{listed([licence.id for licence in terms.licences])}, {whose}"


class DerivativesAllowed:
    """L002."""

    code = "L002"
    title = "No card forbids changed versions"
    why = "A merge is a changed version: under a no-derivatives licence nobody may pass it on."
    fix = "Keep the result to yourself, or ask the licence's holder."
    look = "Look for `license` at the top of each source's `README.md`."
    ignore = WARNS_ONLY

    @_with_terms
    def judge(self, seen: Seen, sources: Sources, terms: Terms) -> Iterable[Finding]:
        """Of base and adapters."""
        concerns = terms.about(Doubt.NO_DERIVATIVES)
        if concerns:
            yield warned(self, seen, _sentence(concerns), **_allowed(concerns))
        else:
            yield passed(self, seen, "no card forbids it")


class LicencesAgree:
    """L003."""

    code = "L003"
    title = "The cards' licences go together"
    why = (
        "A laxer licence than the base's can't be given, and two that restrict can't both be kept."
    )
    fix = "Correct the adapter's card; where two restrict, ask the adapter's publisher or take another base."
    look = "Compare `license` at the top of each source's `README.md`."
    ignore = WARNS_ONLY

    @_with_terms
    def judge(self, seen: Seen, sources: Sources, terms: Terms) -> Iterable[Finding]:
        """Each adapter's against the base's."""
        concerns = terms.about(Doubt.CONFLICT, Doubt.LAXER)
        if concerns:
            yield warned(self, seen, _sentence(concerns), **_allowed(concerns))
        else:
            yield passed(self, seen, "no card contradicts another")


class LicenceFilesCarried:
    """L004."""

    code = "L004"
    title = "Licence files are carried"
    why = "Most licences ask that their text and notices go along with the weights."
    fix = "Copy `LICENSE`, `NOTICE` and `USE_POLICY` from base and adapter, or from where the licence is published."
    look = "Run `ls` in base, adapter and result for `LICENSE*`, `NOTICE*` and `USE_POLICY*`."
    ignore = WARNS_ONLY

    @_with_terms
    def judge(self, seen: Seen, sources: Sources, terms: Terms) -> Iterable[Finding]:
        """The files of base and adapters, and those that the licence asks for."""
        lost = tuple(_lost(seen, sources))
        lacking = tuple(_lacking(seen, terms))
        if lost or lacking:
            what = [f"not carried: {listed(lost)}"] if lost else []
            message = "; ".join([*what, *lacking])
            evidence = {"lost": first(lost), "notices": [f.notice for f in terms.families]}
            yield warned(self, seen, message, **evidence, public=True, private=True)
            return
        found = sum(map(is_licence_file, seen.files))
        message = f"{number(found, 'file')}, none lost" if found else "base and adapter have none"
        yield passed(self, seen, message, files=found)


def _lost(seen: Seen, sources: Sources) -> Iterator[str]:
    """Files whose like the result hasn't: of the same size, or alone of their name."""
    wanted = [
        (path, file.size)
        for files in (sources.base.files, *(a.files for a in sources.adapters))
        for path, file in files.items()
        if is_licence_file(path)
    ]
    sizes = {size for path, size in seen.files.items() if is_licence_file(path)}
    for path, size in dict.fromkeys(wanted):
        alone = all(s == size for p, s in wanted if p == path)
        if size not in sizes and not (alone and path in seen.files):
            yield path


def _lacking(seen: Seen, terms: Terms) -> Iterator[str]:
    """What the licences ask for, whether or not base and adapters had it."""
    for family in terms.families:
        has = {
            "a copy of itself": licence_texts(seen.files),
            "a `NOTICE` with its line": notices(seen.files),
        }
        missing = " and ".join(what for what, files in has.items() if not files)
        if missing:
            yield f"{family.name}'s licence asks for {missing}, see {family.source}"
    if _OTHER in terms.license and terms.license_link is None and not terms.about(Doubt.UNKNOWN):
        yield f"the text of `{terms.license_name}` is neither in the result nor at an address"


class FamilyHonoured:
    """L005."""

    code = "L005"
    title = "The name is as the licence's family asks"
    why = "Llama's licences ask that a changed model's name begins with `Llama`."
    fix = "Name another target with `--to`; what the card has to say is written into it."
    look = "Compare the last part of `--to` with the name that the finding asks for."
    ignore = WARNS_ONLY

    @_with_terms
    def judge(self, seen: Seen, sources: Sources, terms: Terms) -> Iterable[Finding]:
        """The target's name; the family's files are L004's."""
        wrong = [family for family in terms.families if not _is_named(seen.name, family)]
        if wrong:
            message = "; ".join(
                f"{f.name}'s licence wants a name that begins with `{f.prefix}`" for f in wrong
            )
            prefixes = [family.prefix for family in wrong]
            yield warned(self, seen, message, prefixes=prefixes, public=True, private=True)
            return
        names = " and ".join(family.name for family in terms.families)
        asks = f"{names}'s licence asks" if names else "no licence asks"
        yield passed(self, seen, f"{asks} for no other name")


def _is_named(name: str, family: Family) -> bool:
    """Case is free, and so is what stands in the place of a space, which no repository's name may have."""
    return _plain(name).startswith(_plain(family.prefix or ""))


def _plain(name: str) -> str:
    return re.sub(r"[-_ .]", "", name.lower())
