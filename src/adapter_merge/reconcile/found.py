"""An adapter at one commit: whether all of it is there, and whether its owner wants it merged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from adapter_merge.errors import Corrupt
from adapter_merge.folder import ADAPTER_CONFIG, ADAPTER_PICKLE, ADAPTER_WEIGHTS, read_json
from adapter_merge.ports import Repository
from adapter_merge.reconcile.ready import Waits
from adapter_merge.remote import Access
from adapter_merge.repository import adapter_of, read_card
from adapter_merge.request import RepoRef
from adapter_merge.sources import AdapterConfig, parsed

# With `false` behind it in the YAML of an adapter's card nothing is merged for its owner.
OPT_OUT = "adapter-merge"


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """An adapter at the commit that is to be merged.

    Attributes:
        ref: as it was written, and pinned to that commit; a folder as it is.
        config: what its `adapter_config.json` says.
        digest: that of a file; None for one that isn't there.
        access: who may read it; None of a folder.
    """

    ref: RepoRef
    config: AdapterConfig
    digest: Callable[[str], str | None]
    access: Access | None = None


def complete(repository: Repository, ref: RepoRef, label: str) -> Found | Waits:
    """The adapter, where its config and its weights are there and can be read."""
    files = repository.files
    if ADAPTER_CONFIG not in files:
        return Waits(reason=f"{label} has no `{ADAPTER_CONFIG}` yet")
    if ADAPTER_WEIGHTS not in files and ADAPTER_PICKLE not in files:
        return Waits(reason=f"{label} has no weights yet")
    try:
        if ADAPTER_WEIGHTS in files:
            adapter_of(repository)
        return found_of(repository, ref, config_of(repository, ref))
    except Corrupt as e:
        return Waits(reason=f"{label} can't be read: {e.message}")


def config_of(repository: Repository, ref: RepoRef) -> AdapterConfig:
    """What its config says.

    Raises:
        SourceError: it can't be had or read.
    """
    repository.have((ADAPTER_CONFIG,))
    values = read_json(repository.pinned.root, ADAPTER_CONFIG)
    return parsed(AdapterConfig, values, label=ref.text)


def found_of(repository: Repository, ref: RepoRef, config: AdapterConfig) -> Found:
    """The adapter, of whose config and weights is known that they are whole."""
    files = repository.files
    return Found(
        ref=ref,
        config=config,
        digest=lambda path: repository.digest(path) if path in files else None,
        access=repository.pinned.access,
    )


def unwanted(root: Repository, ref: RepoRef) -> Waits | None:
    """Why nothing is merged, where the card at the root of its repository says so."""
    card = read_card(root)
    if card is None or card.metadata.get(OPT_OUT) is not False:
        return None
    return Waits(
        reason=f"the card of `{ref.repo}` says `{OPT_OUT}: false`: its owner wants no merges of it"
    )
