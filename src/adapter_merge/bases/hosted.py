"""Models on a Hub that may be the base, by their headers."""

from __future__ import annotations

from adapter_merge.bases.candidates import Candidate
from adapter_merge.bases.fit import fits
from adapter_merge.bases.search import Search
from adapter_merge.errors import AdapterMergeError
from adapter_merge.repository import opened
from adapter_merge.request import RepoRef

_MOST = 6  # candidates that are asked for; each costs some requests


def hosted(search: Search, candidates: tuple[Candidate, ...]) -> tuple[str, ...]:
    """The ids that exist and fit every adapter, as refs that can be written; none where the Hub is silent."""
    if search.around.hub is None:
        return ()
    asked = [c for c in candidates if c.base.repo is not None][:_MOST]
    return tuple(ref for c in asked if _fits(ref := _ref(c), search))


def _ref(candidate: Candidate) -> str:
    revision = f"@{candidate.revision}" if candidate.revision else ""
    return f"{candidate.base.repo}{revision}"


def _fits(text: str, search: Search) -> bool:
    try:
        return fits(
            opened(RepoRef.model_validate(f"hf://{text}"), search.around.hub), search.adapters
        )
    except AdapterMergeError:
        return False
