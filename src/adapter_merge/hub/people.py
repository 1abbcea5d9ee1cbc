"""Users, organizations and resource groups, as far as they decide who may read a repository."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import islice
from typing import Any

from adapter_merge.errors import AdapterMergeError, Corrupt, HubUnavailable
from adapter_merge.hub.ask import answering, first_bytes, parsed_json
from adapter_merge.hub.client import Client
from adapter_merge.hub.paging import paged
from adapter_merge.hub.standing import history, refs_of
from adapter_merge.hub.translate import translated
from adapter_merge.remote import RepoFacts

_COMMIT = re.compile(r"[0-9a-f]{40}")
_ORGANIZATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
_MOST_BYTES = 1_000_000
_MOST_COMMITS = 500  # of the main branch, in which a commit is looked for
_MOST_PAGES = 20  # of members
# A member with this role reads only what resource groups give access to. Source: the Hub's docs, "Access control in
# organizations".
_NO_ACCESS = "no_access"


def facts(client: Client, repo: str) -> RepoFacts | None:
    """What decides who reaches a repository; None where it isn't there or can't be seen.

    Raises:
        HubUnavailable: the Hub doesn't answer.
    """
    asked = client.asked(repo)
    url = f"{client.endpoint}/api/models/{repo}?expand=private&expand=resourceGroup"

    def act() -> Any:
        with answering(client, asked, url) as response:
            return parsed_json(first_bytes(response, _MOST_BYTES, asked), asked)

    try:
        found = client.patience.persist(act)
    except HubUnavailable:
        raise
    except AdapterMergeError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("id"), str):
        return None
    # A Hub that leaves the key out may hide it from this token.
    known = "resourceGroup" in found
    return RepoFacts(repo=found["id"], in_group=bool(found["resourceGroup"]) if known else None)


def authors(
    client: Client, repo: str, commit: str, paths: Collection[str]
) -> frozenset[str] | None:
    """The users who last changed these files; None where that isn't known, or no branch has the commit.

    Raises:
        HubUnavailable: the Hub doesn't answer.
    """
    try:
        if not _is_on_a_branch(client, repo, commit):
            return None
        changes = _last_changes(client, repo, commit, paths)
        found = [next(history(client, repo, change), None) for change in changes]
    except HubUnavailable:
        raise
    except AdapterMergeError:
        return None
    if not found or any(change is None or not change.authors for change in found):
        return None
    return frozenset(name for change in found if change is not None for name in change.authors)


def _is_on_a_branch(client: Client, repo: str, commit: str) -> bool:
    """Whether somebody who may write has put the commit there: a pull request takes commits of anybody."""
    if commit in refs_of(client, repo).branches.values():
        return True
    return any(c.id == commit for c in islice(history(client, repo, "main"), _MOST_COMMITS))


def _last_changes(client: Client, repo: str, commit: str, paths: Collection[str]) -> frozenset[str]:
    """The commits that changed the files last."""

    def act() -> list[Any]:
        with translated(client.asked(repo, revision=commit)):
            return client.reader.get_paths_info(repo, sorted(paths), revision=commit, expand=True)

    found = client.patience.persist(act)
    ids = [str(getattr(getattr(entry, "last_commit", None), "oid", "")) for entry in found]
    if not ids or not all(_COMMIT.fullmatch(i) for i in ids):
        raise Corrupt(
            f"the Hub does not say which commits of `{repo}` changed its files last",
            hint="Name the base model.",
        )
    return frozenset(ids)


def members(client: Client, organization: str) -> frozenset[str] | None:
    """The members who may read what is in no resource group; None where they can't be listed.

    Raises:
        HubUnavailable: the Hub doesn't answer.
    """
    if _ORGANIZATION.fullmatch(organization) is None:
        return None
    asked = client.asked(None)
    url = f"{client.endpoint}/api/organizations/{organization}/members"
    beyond = Corrupt(
        f"the list of members of `{organization}` has more than {_MOST_PAGES} pages",
        hint="Name the base model.",
    )
    what = f"the members of `{organization}`"
    try:
        found = list(paged(client, asked, url, what=what, most=_MOST_PAGES, beyond=beyond))
    except HubUnavailable:
        raise
    except AdapterMergeError:
        return None
    return frozenset(
        entry["user"]
        for entry in found
        if isinstance(entry.get("user"), str) and entry.get("role") != _NO_ACCESS
    )


def account(client: Client) -> str | None:
    """The user whose token reads; None where there is no token, or it is not one of a user.

    Raises:
        HubUnavailable: the Hub doesn't answer.
    """

    def act() -> Any:
        with translated(client.asked(None)):
            return None if "authorization" not in client.headers() else client.reader.whoami()

    try:
        found = client.patience.persist(act)
    except HubUnavailable:
        raise
    except AdapterMergeError:
        return None
    if not isinstance(found, dict) or found.get("type") != "user":
        return None
    return str(found.get("name", "")) or None
