"""Which base an entry is merged with: the one that it names, and at which commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from adapter_merge.bases.search import AUTO
from adapter_merge.merges import Wanted
from adapter_merge.receipt import Receipt, SourceRecord
from adapter_merge.request import RepoRef
from adapter_merge.sources import AdapterConfig
from adapter_merge.written import read_written


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseNow:
    """A base as it is: its commit, and the digest of each of its files; None for one that isn't there."""

    commit: str
    digest: Callable[[str], str | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenBase:
    """The base of one merge.

    Attributes:
        ref: pinned where that can be; None leaves it to the adapter, whose merge explains what it writes.
        note: what is to be known of it; empty where there is nothing.
        by_adapter: whether an adapter's config or an earlier result names it, and merges.yaml does not.
    """

    ref: RepoRef | None
    note: str = ""
    by_adapter: bool = False


def expected_base(
    wanted: Wanted, configs: tuple[AdapterConfig, ...], receipt: Receipt | None
) -> RepoRef | None:
    """The base that an entry means, as it is written; None where only a search can tell.

    With `auto` it is the one that was found for the result that stands, as long as nobody asks to follow it.
    """
    given = _given(wanted, configs)
    if given is not None and given.text == AUTO:
        found = None if receipt is None or wanted.terms.follow_base else receipt.base.source
        return given if found is None else RepoRef.model_validate(found)
    return given or _named(configs)


def is_by_adapter(wanted: Wanted, configs: tuple[AdapterConfig, ...]) -> bool:
    """Whether merges.yaml leaves the base to the adapter: it names none, or `auto`."""
    given = _given(wanted, configs)
    return given is None or given.text == AUTO


def _given(wanted: Wanted, configs: tuple[AdapterConfig, ...]) -> RepoRef | None:
    """The base that merges.yaml names, for the entry or by a pattern of `bases`."""
    return wanted.request.base or next(
        (ref for c in configs if (ref := wanted.mapped_base(c.base_model_name_or_path or ""))), None
    )


def _named(configs: tuple[AdapterConfig, ...]) -> RepoRef | None:
    """The id that the adapters name, with the revision that they were trained on."""
    written = [read_written(config.base_model_name_or_path) for config in configs]
    repos = {w.repo for w in written if w is not None and not w.path and not w.quantised}
    if len(repos) != 1 or None in repos:
        return None
    (repo,) = repos
    revision = next((c.revision for c in configs if c.revision not in {None, "", "main"}), None)
    try:
        return RepoRef.model_validate(repo if revision is None else f"{repo}@{revision}")
    except ValidationError:
        return None


def chosen_base(
    wanted: Wanted,
    expected: RepoRef | None,
    now: BaseNow | None,
    receipt: Receipt | None,
) -> ChosenBase:
    """The base, at the commit that counts: that of the standing result, as long as nobody asks to follow it.

    `now` is the expected one as it is; None where it isn't on a Hub, or can't be had.
    """
    before = None if receipt is None else receipt.base
    if expected is None or now is None or wanted.request.allow_remote_code:
        # Whoever lets a base's code through has to name its commit: nobody else does it for them.
        return ChosenBase(ref=expected)
    if before is None or not is_of(before, expected):
        return ChosenBase(ref=_at(expected, now.commit))
    if all(now.digest(path) == digest for path, digest in before.digests.items()):
        return ChosenBase(ref=_at(expected, before.commit or now.commit))
    if wanted.terms.follow_base:
        return ChosenBase(ref=_at(expected, now.commit))
    note = (
        f"the base `{expected.text}` has changed since {(before.commit or '')[:7]}, and is {now.commit[:7]} now; "
        "`follow-base: true` merges with that"
    )
    return ChosenBase(ref=_at(expected, before.commit or now.commit), note=note)


def is_of(record: SourceRecord, ref: RepoRef) -> bool:
    """Whether a result was made from a source that is written like this, at whatever commit."""
    try:
        before, now = (RepoRef.model_validate(text) for text in (record.source, ref.text))
    except ValidationError:
        return False
    same = (before.repo, before.revision, before.subfolder, before.folder) == (
        now.repo,
        now.revision,
        now.subfolder,
        now.folder,
    )
    return same and (ref.repo is None) == (record.commit is None)


def _at(ref: RepoRef, commit: str) -> RepoRef:
    """The same words, at one commit."""
    return ref.model_copy(update={"revision": commit})
