"""Who there is, what their tokens allow, and who may read or write a repository."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from adapter_merge.localhub.repos import Repo

Scope = Literal["read", "write"]
Role = Literal["read", "write"]
Visibility = Literal["public", "private"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A token and whose it is.

    `scopes` makes it a fine-grained one, which does what they say and no more: they go by a
    repository's id or a namespace. `expires` is a time in seconds.
    """

    user: str
    role: Role = "write"
    scopes: Mapping[str, Scope] | None = None
    expires: float | None = None

    def covers(self, repo: str, scope: Scope) -> bool:
        """Whether the token reaches a repository of those whom its user reaches."""
        if scope == "write" and self.role == "read":
            return False
        if self.scopes is None:
            return True
        given = self.scopes.get(repo, self.scopes.get(namespace(repo)))
        return given in ("write", scope)


@dataclass(frozen=True, kw_only=True, slots=True)
class Organisation:
    """A namespace of several users.

    `visibility` is what its new repositories get by default. `groups` are resource groups: only their
    users reach a repository of the group.
    """

    members: Mapping[str, Role]
    visibility: Visibility = "public"
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class People:
    """All users (name to id), tokens, organisations, and who may trade an identity for a token."""

    users: Mapping[str, str] = field(default_factory=dict)
    tokens: Mapping[str, Token] = field(default_factory=dict)
    organisations: Mapping[str, Organisation] = field(default_factory=dict)
    trusted: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def bearer(self, header: str | None) -> Token | None:
        """The token of an `Authorization` header; None where there is no header.

        Raises:
            PermissionError: nobody has that token, or it has expired.
        """
        if header is None:
            return None
        found = self.tokens.get(header.removeprefix("Bearer ").removeprefix("bearer "))
        if found is None or (found.expires is not None and found.expires < time.time()):
            raise PermissionError
        return found

    def identity(self, name: str) -> str:
        """The id of a user or an organisation."""
        return self.users.get(name, "0" * 24)

    def organisations_of(self, user: str) -> list[str]:
        """The organisations that a user is a member of."""
        return [name for name, held in self.organisations.items() if user in held.members]

    def reaches(self, token: Token, repo: str, scope: Scope) -> bool:
        """Whether a token reaches a repository by its namespace and its scopes, public or not."""
        owner = namespace(repo)
        if not token.covers(repo, scope):
            return False
        if token.user in (owner, IDENTITY):
            return True
        held = self.organisations.get(owner)
        role = held.members.get(token.user) if held is not None else None
        return role == "write" or (role is not None and scope == "read")

    def is_in_group(self, token: Token, repo: Repo) -> bool:
        """Whether a repository is in no resource group, or the token's user belongs to its group."""
        if repo.resource_group is None or token.user == IDENTITY:
            return True
        held = self.organisations.get(namespace(repo.id))
        return held is not None and token.user in held.groups.get(repo.resource_group, ())

    def default_visibility(self, owner: str) -> Visibility:
        """What a new repository gets where nobody says."""
        held = self.organisations.get(owner)
        return held.visibility if held is not None else "public"


# Whose a token is that was given for an identity: what it may do stands in its scopes alone.
IDENTITY = "[identity]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """What somebody may do with one repository.

    `files` is what a gate holds back; to `propose` is to open a pull request, for which one needs no
    rights there, but a token that may write.
    """

    read: bool
    files: bool
    propose: bool
    write: bool


def access(people: People, token: Token | None, repo: Repo) -> Access:
    """Decide what a caller may do with a repository."""
    in_group = token is not None and people.is_in_group(token, repo)
    own = token is not None and in_group and people.reaches(token, repo.id, "read")
    write = token is not None and in_group and people.reaches(token, repo.id, "write")
    read = own or not repo.private
    approved = own or (token is not None and token.user in repo.allowed)
    files = read and (not repo.gated or approved)
    propose = files and token is not None and token.covers(repo.id, "write")
    return Access(read=read, files=files, propose=propose, write=write)


def namespace(repo: str) -> str:
    """The owner in a repository's id."""
    return repo.split("/", 1)[0]
