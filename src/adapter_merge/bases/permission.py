"""Decide whether a base model may be merged: who named it, who may read it, and whose repositories are involved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import chain

from adapter_merge.bases.advice import command
from adapter_merge.bases.search import AUTO, Search
from adapter_merge.errors import BaseNotNamed
from adapter_merge.folder import ADAPTER_CONFIG
from adapter_merge.ports import Hub
from adapter_merge.readme import README
from adapter_merge.remote import Access
from adapter_merge.request import BaseRule, RepoRef, Request
from adapter_merge.sources import Adapter, Pinned


class NamedBy(StrEnum):
    """Who named a base model."""

    OPERATOR = "operator"  # `--base`, `base:`, a value of `bases:`, an id in `only-bases:`
    PATTERN = "pattern"  # an adapter, and a pattern of `only-bases:` matches
    ADAPTER = "adapter"  # an adapter alone, by its config or its card


@dataclass(frozen=True, kw_only=True, slots=True)
class Ownership:
    """Whose repositories a merge involves.

    Attributes:
        base: owner of the base.
        others: owners of the adapters and of a target on the Hub.
        in_group: whether one of them is in a resource group; None where that isn't known.
        authors_read: whether the authors of the adapters may read the base; None where that isn't known.
    """

    base: str
    others: frozenset[str]
    in_group: bool | None
    authors_read: bool | None

    def why_apart(self) -> str | None:
        """Why its readers may differ from those of the result; None where they are the same."""
        if self.others - {self.base}:
            return "adapter, base and target do not have the same owner"
        if self.in_group is not False:
            known = "one of them is" if self.in_group else "the Hub does not say whether they are"
            return f"{known} in a resource group"
        if not self.authors_read:
            return "the author of the adapter is not known to have access to it"
        return None


def named_by(request: Request, ref: RepoRef) -> NamedBy:
    """Who named the base that was chosen for a request."""
    given, rule = request.base, request.base_rule
    if given is not None and given.text != AUTO and not rule.read_from_adapter:
        return NamedBy.OPERATOR
    repo = (ref.repo or "").casefold()
    matching = [p for p in rule.only if repo and fnmatchcase(repo, p.casefold())]
    if not matching:
        return NamedBy.ADAPTER
    return NamedBy.OPERATOR if repo in map(str.casefold, matching) else NamedBy.PATTERN


def why_refused(
    named: NamedBy, rule: BaseRule, access: Access | None, ownership: Ownership | None
) -> str | None:
    """Why a base on the Hub may not be merged, as the end of a sentence about it; None where it may.

    `access` is None where only a cache was asked: nothing can be published then. `ownership` is None where it is
    of no consequence, see `depends_on_ownership`.
    """
    if named is not NamedBy.ADAPTER:
        return None
    if rule.only:
        return f"does not match `only-bases` ({', '.join(f'`{p}`' for p in rule.only[:4])})"
    if access is Access.GATED and rule.place == "watch":
        return "is gated, and the watch that found the adapter has no `only-bases`"
    if depends_on_ownership(named, access):
        why = "its owner is not known" if ownership is None else ownership.why_apart()
        return None if why is None else f"is private, and {why}"
    return None


def depends_on_ownership(named: NamedBy, access: Access | None) -> bool:
    """Whether owners decide: of a private base that only an adapter names."""
    return named is NamedBy.ADAPTER and access is Access.PRIVATE


def require_permitted(search: Search, ref: RepoRef, base: Pinned) -> NamedBy:
    """Who named the base, where it may be merged; nothing of it but its visibility has been read.

    Raises:
        BaseNotNamed: it may be merged only where the operator names it.
        HubUnavailable: the Hub doesn't answer.
    """
    named = named_by(search.request, ref)
    if named is NamedBy.OPERATOR or search.verb == "check":
        return named
    if base.repo is None:
        _require_own_folder(search, ref)
        return named
    rule = search.request.base_rule
    if base.access in {Access.GATED, Access.PRIVATE}:
        _require_same_id(search, base.repo)
    ownership = _ownership(search, base.repo) if depends_on_ownership(named, base.access) else None
    why = why_refused(named, rule, base.access, ownership)
    if why is not None:
        raise _not_named(search, base.repo, f"the base model `{base.repo}` {why}")
    return named


def _require_own_folder(search: Search, ref: RepoRef) -> None:
    """Refuse a folder of this machine that `auto` found for an adapter on the Hub, where the result is published."""
    on_a_hub = any(adapter.pinned.repo is not None for adapter in search.adapters)
    if on_a_hub and search.request.target.repo is not None:
        what = f"the base model `{ref.text}` is a folder, which does not say who may read it"
        raise _not_named(search, ref.text, what)


def _require_same_id(search: Search, repo: str) -> None:
    """A repository that was renamed may belong to somebody else than its old name says."""
    facts = _hub(search).facts(repo)
    if facts is not None and facts.repo.casefold() != repo.casefold():
        what = f"the base model `{repo}` was renamed, and is `{facts.repo}` now"
        raise _not_named(search, facts.repo, what)


def _not_named(search: Search, base: str, what: str) -> BaseNotNamed:
    adapters = ", ".join(f"`{adapter.pinned.source}`" for adapter in search.adapters)
    message = f"{what}; only {adapters} names it, and your token reads it"
    return BaseNotNamed(message, hint=_hint(search, base))


def _hint(search: Search, base: str) -> str:
    match search.request.base_rule.place:
        case "command":
            return (
                f"To merge into this base, name it with `--base {base}`: `{command(search, base)}`."
            )
        case "entry":
            return f"To merge into this base, write `base: {base}` in the entry of merges.yaml."
        case "watch":
            owner = f"{base.rpartition('/')[0]}/*".removeprefix("/")
            return (
                f"To merge into this base, write `only-bases: [{base}]` in the watch of merges.yaml, "
                f"or `only-bases: [{owner}]` for every base of its owner."
            )


def _hub(search: Search) -> Hub:
    return search.around.connected()


def _ownership(search: Search, base: str) -> Ownership | None:
    """Whose repositories the merge involves; None where that can't be known.

    A folder with an adapter counts as the property of the user whose token reads the base.
    """
    hub, owner = _hub(search), _owner(base)
    account = (hub.account() or "").casefold()
    repos = [a.pinned.repo for a in search.adapters]
    if not owner or (None in repos and not account):
        return None
    target = search.request.target.repo
    others = {account if repo is None else _owner(repo) for repo in repos}
    others |= set() if target is None else {_owner(target)}
    found = Ownership(base=owner, others=frozenset(others), in_group=False, authors_read=None)
    if others - {owner}:
        return found
    is_user = owner == account
    readers = frozenset({account}) if is_user else _members(hub, owner, account)
    return Ownership(
        base=owner,
        others=frozenset(others),
        # Only organizations have resource groups.
        in_group=False if is_user else _in_group(hub, [base, *filter(None, repos)], target),
        authors_read=_authors_read(search, readers, is_user=is_user),
    )


def _owner(repo: str) -> str:
    return repo.rpartition("/")[0].casefold()


def _members(hub: Hub, owner: str, account: str) -> frozenset[str]:
    members = hub.members(owner) or ()
    return frozenset(chain((m.casefold() for m in members), [account] if account else []))


def _in_group(hub: Hub, sources: Iterable[str], target: str | None) -> bool | None:
    facts = [hub.facts(repo) for repo in sources]
    found = [None if f is None else f.in_group for f in facts]
    there = None if target is None else hub.facts(target, target=True)
    found += [] if there is None else [there.in_group]
    return True if True in found else None if None in found else False


def _authors_read(search: Search, readers: frozenset[str], *, is_user: bool) -> bool | None:
    """Whether all who chose the base are among its readers."""
    for adapter in search.adapters:
        if adapter.pinned.repo is None:
            continue
        authors = _authors(search, adapter)
        if authors is None:
            return None
        # Only the user pushes to branches of their own repositories, under whatever name git knows them.
        if not is_user and not {a.casefold() for a in authors} <= readers:
            return False
    return True


def _authors(search: Search, adapter: Adapter) -> frozenset[str] | None:
    """Who wrote what names the base: the config, and for `auto` the card."""
    pinned, given = adapter.pinned, search.request.base
    paths = {ADAPTER_CONFIG}
    if given is not None and given.text == AUTO and README in adapter.files:
        paths.add(README)
    inside = f"{pinned.subfolder}/" if pinned.subfolder else ""
    return _hub(search).authors(
        str(pinned.repo), str(pinned.commit), [f"{inside}{path}" for path in sorted(paths)]
    )
