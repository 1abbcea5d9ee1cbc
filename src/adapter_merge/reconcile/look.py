"""Look at what there is: adapters, base and target of an entry, asked of a Hub with few questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from adapter_merge.bases.search import AUTO
from adapter_merge.errors import Corrupt, NotFound, SourceError
from adapter_merge.folder import (
    ADAPTER_CONFIG,
    ADAPTER_PICKLE,
    ADAPTER_WEIGHTS,
    read_json,
)
from adapter_merge.intact import has_sizes, is_intact
from adapter_merge.merges import Terms, Wanted
from adapter_merge.ports import Hub, Repository, Surroundings
from adapter_merge.proposing import Proposed, proposals
from adapter_merge.receipt import Receipt
from adapter_merge.reconcile.bases import BaseNow
from adapter_merge.reconcile.ready import Waits, picked
from adapter_merge.remote import Commit, RemoteTarget
from adapter_merge.repository import adapter_of, opened
from adapter_merge.request import RepoRef
from adapter_merge.sources import AdapterConfig, TargetState, parsed
from adapter_merge.targets import target_of

_MOST_COMMITS = 500  # that are looked at for a tag or a title


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """An adapter at the commit that is to be merged.

    Attributes:
        ref: as it was written, and pinned to that commit; a folder as it is.
        config: what its `adapter_config.json` says.
        digest: that of a file; None for one that isn't there.
    """

    ref: RepoRef
    config: AdapterConfig
    digest: Callable[[str], str | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What a target holds.

    Attributes:
        receipt: of our result there; None where there is none.
        whole: whether all files of the receipt are there, and nothing else is.
        remote: the target itself, where it is on a Hub.
        tags: name -> commit.
        proposals: pull requests that aren't merged, newest first; only looked at where more would be made.
    """

    receipt: Receipt | None = None
    whole: bool = False
    remote: RemoteTarget | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    proposals: tuple[Proposed, ...] = ()

    @property
    def latest(self) -> Receipt | None:
        """The receipt of what was made last, merged there or only proposed."""
        return self.proposals[0].receipt if self.proposals else self.receipt


class Looker:
    """Asks once what several entries want to know."""

    def __init__(self, around: Surroundings, *, now: datetime) -> None:
        self._around = around
        self._now = now
        self._bases: dict[str, BaseNow | None] = {}

    @property
    def _hub(self) -> Hub:
        return self._around.connected()

    def adapter(self, ref: RepoRef, terms: Terms) -> Found | Waits:
        """The adapter at the commit that the terms mean, where all of it is there.

        Raises:
            AdapterMergeError: it can't be looked at.
        """
        if ref.repo is None:
            repository = opened(ref, self._around.hub)
            return _complete(repository, ref, f"`{ref.text}`")
        commit = self._picked(ref, terms)
        if isinstance(commit, Waits):
            return Waits(reason=f"`{ref.text}` {commit.reason}")
        pinned = ref.model_copy(update={"revision": commit.id})
        label = f"`{ref.text}` at {commit.id[:7]}"
        try:
            repository = opened(pinned, self._around.hub)
        except NotFound as e:  # the repository is there, its folder isn't yet
            return Waits(reason=e.message)
        return _complete(repository, pinned, label)

    def _picked(self, ref: RepoRef, terms: Terms) -> Commit | Waits:
        repo = ref.repo or ""
        tags = self._hub.tags(repo) if terms.kind == "tag" else {}
        commits = self._hub.pushes(repo, ref.revision or "main")
        return picked(terms, islice(commits, _MOST_COMMITS), tags, now=self._now)

    def base(self, ref: RepoRef | None) -> BaseNow | None:
        """A base on a Hub as it is; None where it isn't there or can't be had, which its merge will explain."""
        if ref is None or ref.repo is None or ref.text == AUTO:
            return None
        key = ref.text
        if key not in self._bases:
            try:
                repository = opened(ref, self._around.hub)
                files = repository.files
                self._bases[key] = BaseNow(
                    commit=repository.pinned.commit or "",
                    digest=lambda path: repository.digest(path) if path in files else None,
                )
            except SourceError:
                self._bases[key] = None
        return self._bases[key]

    def target(self, wanted: Wanted) -> Standing:
        """What the target holds.

        Raises:
            AdapterMergeError: it can't be looked at, or can't be a target.
        """
        target = target_of(wanted.request, self._around, rewritten=False)
        remote = target.remote
        if remote is None:
            receipt, ours = target.receipt, target.state is TargetState.OURS
            whole = receipt is not None and has_sizes(receipt, target.sizes)
            return Standing(receipt=receipt, whole=ours and whole)
        proposes = wanted.request.publish == "pr"
        return Standing(
            receipt=remote.receipt,
            whole=is_intact(remote, self._hub),
            remote=remote,
            tags=remote.tags,
            proposals=tuple(proposals(remote, self._hub)) if proposes else (),
        )


def _complete(repository: Repository, ref: RepoRef, label: str) -> Found | Waits:
    """The adapter, where its config and its weights are there and can be read."""
    files = repository.files
    if ADAPTER_CONFIG not in files:
        return Waits(reason=f"{label} has no `{ADAPTER_CONFIG}` yet")
    if ADAPTER_WEIGHTS not in files and ADAPTER_PICKLE not in files:
        return Waits(reason=f"{label} has no weights yet")
    try:
        if ADAPTER_WEIGHTS in files:
            adapter_of(repository)
        repository.have((ADAPTER_CONFIG,))
        values = read_json(repository.pinned.root, ADAPTER_CONFIG)
        config = parsed(AdapterConfig, values, label=ref.text)
    except Corrupt as e:
        return Waits(reason=f"{label} can't be read: {e.message}")
    return Found(
        ref=ref,
        config=config,
        digest=lambda path: repository.digest(path) if path in files else None,
    )
