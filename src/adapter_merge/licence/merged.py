"""The terms of one merge: its cards, its base's name, and the files that the result has."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from itertools import islice

from adapter_merge.licence.files import names_in_result
from adapter_merge.licence.guess import guess
from adapter_merge.licence.stated import Stated, stated
from adapter_merge.licence.terms import Terms, weigh
from adapter_merge.request import RepoRef
from adapter_merge.sources import Adapter, Base, Pinned, Sources

_HUB = "https://huggingface.co"
_WEB = re.compile(r"https?://", re.IGNORECASE)


def terms_of(sources: Sources, files: Collection[str]) -> Terms:
    """The terms of a result with these files; its link leads to one of them, or to the web.

    A link to a file that wasn't carried leads to the repository on the Hub that has it, and is left out where
    that is a folder.
    """
    base = sources.base
    terms = weigh(_card(base), tuple(map(_card, sources.adapters)), guess=guess(base))
    link, number = terms.license_link, terms.adapter
    if link is None or _WEB.match(link):
        return terms
    states = base if number is None else sources.adapters[number]
    name = link if number is None else _carried_as(link, number, sources, files)
    return replace(terms, license_link=name if name in files else _on_the_hub(link, states.pinned))


def _card(source: Base | Adapter) -> Stated:
    return stated(source.readme, source.files)


def _carried_as(link: str, number: int, sources: Sources, files: Collection[str]) -> str | None:
    """What the result calls a file of an adapter; None where its own name may be that of another's file."""
    own, other = sources.adapters[number].files.get(link), sources.base.files.get(link)
    _, renamed = islice(names_in_result(link, number + 1), 2)
    if renamed in files:
        return renamed
    is_same = own is not None and (other is None or other.digest == own.digest)
    return link if is_same else None


def _on_the_hub(link: str, pinned: Pinned) -> str | None:
    if pinned.commit is None:
        return None
    ref = RepoRef.model_validate(pinned.source)
    path = f"{ref.subfolder}/{link}" if ref.subfolder else link
    return f"{_HUB}/{ref.repo}/blob/{pinned.commit}/{path}"
