"""Look at what there is: adapters, base and target of an entry, asked of a Hub with few questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from adapter_merge.bases.search import AUTO
from adapter_merge.errors import NotFound, SourceError
from adapter_merge.intact import has_sizes, is_intact
from adapter_merge.merges import Terms, Wanted
from adapter_merge.ports import Hub, Surroundings
from adapter_merge.proposing import Proposed, proposals
from adapter_merge.receipt import Receipt, SourceRecord
from adapter_merge.reconcile.bases import BaseNow, is_of
from adapter_merge.reconcile.found import Found, complete, config_of, found_of, unwanted
from adapter_merge.reconcile.ready import Waits, picked
from adapter_merge.remote import Commit, RemoteTarget
from adapter_merge.repository import opened
from adapter_merge.request import RepoRef
from adapter_merge.sources import AdapterConfig, TargetState
from adapter_merge.targets import target_of

_MOST_COMMITS = 500  # that are looked at for a tag or a title


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What a target holds.

    Attributes:
        receipt: of our result there; None where there is none.
        whole: whether all files of the receipt are there, and nothing else is.
        remote: the target itself, where it is on a Hub.
        tags: name -> commit.
        proposals: pull requests that aren't merged, newest first; only looked at where another would be made.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What was found out once: what stands at a commit never changes.

    Attributes:
        configs: of adapters, by repository, commit and folder.
        whole: whether a target's files are those of its receipt, by repository and commit.
    """

    configs: dict[tuple[str, str, str | None], AdapterConfig] = field(default_factory=dict)
    whole: dict[tuple[str, str], bool] = field(default_factory=dict)


class Looker:
    """Asks once what several entries want to know."""

    def __init__(self, around: Surroundings, *, now: datetime, known: Known) -> None:
        self._around = around
        self._now = now
        self._known = known
        self._bases: dict[str, BaseNow | None] = {}

    @property
    def _hub(self) -> Hub:
        return self._around.connected()

    def adapter(
        self, ref: RepoRef, terms: Terms, before: SourceRecord | None = None
    ) -> Found | Waits:
        """The adapter at the commit that the terms mean, where all of it is there and may be merged.

        `before` is what the standing result was made of: where the head is still that, little is asked.

        Raises:
            AdapterMergeError: it can't be looked at.
        """
        if ref.repo is None:
            return complete(opened(ref, self._around.hub), ref, f"`{ref.text}`")
        return self._quiet(ref, terms, before) or self._pushed(ref, terms)

    def _quiet(self, ref: RepoRef, terms: Terms, before: SourceRecord | None) -> Found | None:
        """The adapter, where its head was merged: it was finished then, and is; None where more has to be asked."""
        if before is None or not is_of(before, ref) or not _goes_by_head(ref, terms):
            return None
        try:
            repository = opened(ref, self._around.hub)
        except NotFound:  # all of it, or its folder: the whole look tells
            return None
        commit = repository.pinned.commit or ""
        if commit != before.commit:
            return None
        pinned = ref.model_copy(update={"revision": commit})
        key = (str(ref.repo), commit, ref.subfolder)
        config = self._known.configs.get(key) or config_of(repository, pinned)
        self._known.configs[key] = config
        return found_of(repository, pinned, config)

    def _pushed(self, ref: RepoRef, terms: Terms) -> Found | Waits:
        commit = self._picked(ref, terms)
        if isinstance(commit, Waits):
            return replace(commit, reason=f"`{ref.text}` {commit.reason}")
        pinned = ref.model_copy(update={"revision": commit.id})
        label = f"`{ref.text}` at {commit.id[:7]}"
        try:
            repository = opened(pinned, self._around.hub)
        except NotFound as e:  # the repository is there, its folder isn't yet
            return Waits(reason=e.message)
        found = complete(repository, pinned, label)
        if isinstance(found, Waits):
            return found
        if not _goes_by_head(ref, terms) or ref.subfolder is not None:
            # The owner's word is the card at the head, whichever commit is merged.
            repository = opened(RepoRef.model_validate(f"hf://{ref.repo}"), self._around.hub)
        return unwanted(repository, ref) or found

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
        return Standing(
            receipt=remote.receipt,
            whole=self._is_whole(remote),
            remote=remote,
            tags=remote.tags,
        )

    def proposed(self, standing: Standing) -> Standing:
        """The same with what is proposed there."""
        remote = standing.remote
        if remote is None:
            return standing
        return replace(standing, proposals=tuple(proposals(remote, self._hub)))

    def _is_whole(self, remote: RemoteTarget) -> bool:
        key = (remote.repo, str(remote.head))
        known = self._known.whole.get(key)
        if known is None:
            known = self._known.whole[key] = is_intact(remote, self._hub)
        return known


def _goes_by_head(ref: RepoRef, terms: Terms) -> bool:
    """Whether the head of the main branch is what may be merged."""
    return ref.revision is None and terms.kind in {"settled", "push"}
