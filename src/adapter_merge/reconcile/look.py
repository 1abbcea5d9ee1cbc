"""Look at what there is: adapters, base and target of an entry, asked of a Hub with few questions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
from adapter_merge.merges import Terms, Wanted
from adapter_merge.ports import Hub, Repository, Surroundings
from adapter_merge.readme import README
from adapter_merge.receipt import RECEIPT_NAME, Receipt
from adapter_merge.reconcile.bases import BaseNow
from adapter_merge.reconcile.ready import Waits, picked
from adapter_merge.remote import OF_THE_HUB, Commit, RemoteTarget
from adapter_merge.repository import adapter_of, opened
from adapter_merge.request import RepoRef, Request
from adapter_merge.sources import AdapterConfig, TargetState, parsed
from adapter_merge.targets import target_of

_MOST_COMMITS = 500  # that are looked at for a tag or a title
_MOST_PROPOSALS = 20


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
class Proposed:
    """A pull request that nobody has merged, and the receipt in it."""

    number: int
    is_open: bool
    receipt: Receipt


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What a target holds.

    Attributes:
        receipt: of our result there; None where there is none.
        whole: whether all files of the receipt are there, and nothing else is.
        tags: name -> commit.
        proposals: pull requests that aren't merged, newest first; only looked at where more would be made.
    """

    receipt: Receipt | None = None
    whole: bool = False
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
            ours = target.state is TargetState.OURS
            return Standing(
                receipt=target.receipt, whole=ours and _is_whole(target.receipt, target.sizes)
            )
        return Standing(
            receipt=remote.receipt,
            whole=not remote.foreign and _is_published(remote),
            tags=remote.tags,
            proposals=tuple(self._proposals(wanted.request, remote)),
        )

    def _proposals(self, request: Request, remote: RemoteTarget) -> Iterator[Proposed]:
        if request.publish != "pr" or remote.access is None:
            return
        for proposal in islice(self._hub.proposals(remote.repo), _MOST_PROPOSALS):
            receipt = self._hub.receipt(remote.repo, proposal.commit)
            if receipt is not None:
                yield Proposed(number=proposal.number, is_open=proposal.is_open, receipt=receipt)


def _is_whole(receipt: Receipt | None, found: Mapping[str, int]) -> bool:
    """Whether a receipt's files are there, with their sizes, and nothing else is."""
    if receipt is None:
        return False
    sizes = {path: size for path, size in found.items() if path not in {README, RECEIPT_NAME}}
    return sizes == {path: record.size for path, record in receipt.files.items()}


def _is_published(remote: RemoteTarget) -> bool:
    """The same on a Hub, which knows the digests of large files."""
    sizes = {path: file.size for path, file in remote.files.items() if path not in OF_THE_HUB}
    told = {path: file.sha256 for path, file in remote.files.items() if file.sha256 is not None}
    records = {} if remote.receipt is None else remote.receipt.files
    same = all(told.get(path, of.sha256) == of.sha256 for path, of in records.items())
    return same and _is_whole(remote.receipt, sizes)


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
