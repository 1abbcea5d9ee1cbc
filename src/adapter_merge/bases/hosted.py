"""Models on a Hub that may be the base, by their headers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from adapter_merge.bases.candidates import Candidate, Card
from adapter_merge.bases.fit import require_fit
from adapter_merge.bases.nearby import there
from adapter_merge.bases.search import AUTO, Search
from adapter_merge.errors import (
    AdapterMergeError,
    Gated,
    HubUnavailable,
    NotFound,
    RevisionMissing,
)
from adapter_merge.ports import Hub
from adapter_merge.repository import read_card
from adapter_merge.request import RepoRef
from adapter_merge.written import read_written

_MOST = 6  # candidates that are asked for; each costs some requests
_Weights: TypeAlias = frozenset[str]  # digests of weight files


@dataclass(frozen=True, kw_only=True, slots=True)
class Hosted:
    """What a Hub has of the candidates that it was asked for.

    Attributes:
        found: those that fit every adapter, as refs that can be written; of those with the same weights the first.
        commits: of those, the commit whose headers were read.
        ruled_out: title of a candidate -> in words why it isn't the base, or is another one's copy.
        gated: title -> the error of one that is there, and not for this account.
        silent: the error where the Hub stopped answering; the others weren't asked for then.
    """

    found: tuple[str, ...] = ()
    commits: Mapping[str, str] = field(default_factory=dict)
    ruled_out: Mapping[str, str] = field(default_factory=dict)
    gated: Mapping[str, Gated] = field(default_factory=dict)
    silent: HubUnavailable | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fitting:
    """What was looked at, and fits."""

    commit: str
    weights: _Weights


def hosted(search: Search, candidates: tuple[Candidate, ...], *, known: bool) -> Hosted:
    """Ask the Hub which of the candidates it has, and whether they fit; `known` where it was asked for the base.

    What only files of this machine say is kept from it: a path of theirs names people, projects and
    customers. `--base auto` is leave to ask.
    """
    if search.around.hub is None:
        return Hosted()
    asked = [c for c in candidates if c.base.repo is not None and _may_ask(c, search, known)]
    found: dict[_Weights, tuple[str, str]] = {}
    ruled_out: dict[str, str] = {}
    gated: dict[str, Gated] = {}
    silent: HubUnavailable | None = None
    for candidate in asked[:_MOST]:
        try:
            looked = _looked_at(candidate, search, search.around.hub())
        except Gated as e:
            gated[candidate.title] = e
        except HubUnavailable as e:
            silent = e
            break
        else:
            if isinstance(looked, str):
                ruled_out[candidate.title] = looked
            elif looked.weights in found:  # whoever quantises a model publishes it whole, too
                ruled_out[candidate.title] = f"a copy of `{found[looked.weights][0]}`"
            else:
                found[looked.weights] = (ref_of(candidate), looked.commit)
    return Hosted(
        found=tuple(ref for ref, _ in found.values()),
        commits=dict(found.values()),
        ruled_out=ruled_out,
        gated=gated,
        silent=silent,
    )


def quantised_cards(search: Search) -> tuple[Card, ...]:
    """The cards of quantised bases that adapters name, which say what those were made from.

    Only `--base auto` asks for them: otherwise a named base is opened, and its card is there.
    """
    hub = search.around.hub
    if hub is None or not _is_automatic(search):
        return ()
    names = (read_written(a.config.base_model_name_or_path) for a in search.adapters)
    found: dict[str, Card] = {}
    for written in names:
        if written is None or not written.quantised or written.path or written.repo is None:
            continue
        ref = RepoRef(text=written.repo, repo=written.repo)
        with suppress(AdapterMergeError):
            repository = hub().open(ref, hasty=True)
            found[written.repo] = (repository.pinned, read_card(repository))
    return tuple(found.values())


def ref_of(candidate: Candidate) -> str:
    """A candidate with an id as a ref, which no folder here is taken for."""
    revision = f"@{candidate.revision}" if candidate.revision else ""
    ref = f"{candidate.base.repo}{revision}"
    return f"hf://{ref}" if there(ref) is not None else ref


def _may_ask(candidate: Candidate, search: Search, known: bool) -> bool:
    if candidate.stranger or _is_automatic(search):
        return True
    return known and not candidate.base.path


def _is_automatic(search: Search) -> bool:
    return search.request.base is not None and search.request.base.text == AUTO


def _looked_at(candidate: Candidate, search: Search, hub: Hub) -> str | _Fitting:
    """Why a candidate isn't the base, or what fits."""
    ref = RepoRef(
        text=f"hf://{candidate.title}", repo=candidate.base.repo, revision=candidate.revision
    )
    try:
        repository = hub.open(ref, hasty=True)
    except NotFound:
        return "not on the Hub"
    except RevisionMissing:
        return f"without a revision `{candidate.revision}`"
    try:
        checkpoint = require_fit(repository, search.adapters)
    except (Gated, HubUnavailable):
        raise
    except AdapterMergeError:
        return "doesn't fit"
    weights = frozenset(repository.digest(file.name, file) for file in checkpoint.files)
    return _Fitting(commit=repository.pinned.commit or "", weights=weights)
