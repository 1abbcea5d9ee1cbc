"""The terms of one merge: its cards, its base's name, and the files that the result has."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

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
    states = base if terms.adapter is None else sources.adapters[terms.adapter]
    return replace(terms, license_link=_reachable(terms.license_link, states.pinned, files))


def _card(source: Base | Adapter) -> Stated:
    return stated(source.readme, source.files)


def _reachable(link: str | None, pinned: Pinned, files: Collection[str]) -> str | None:
    if link is None or _WEB.match(link) or link in files:
        return link
    if pinned.commit is None:
        return None
    ref = RepoRef.model_validate(pinned.source)
    path = f"{ref.subfolder}/{link}" if ref.subfolder else link
    return f"{_HUB}/{ref.repo}/blob/{pinned.commit}/{path}"
