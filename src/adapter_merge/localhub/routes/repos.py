"""Repositories: made, moved, copied, deleted, and their settings."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Literal

from adapter_merge.localhub.repos import MAIN, Commit, Kind, Repo, identity
from adapter_merge.localhub.routes.route import route
from adapter_merge.localhub.state import State
from adapter_merge.localhub.users import Visibility, namespace
from adapter_merge.localhub.webhooks import Happening, moved
from adapter_merge.localhub.wire import Answer, Ask, Body, Problem, reply

_ATTRIBUTES = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"


class _Create(Body):
    name: str
    organization: str | None = None
    type: Kind | None = None
    visibility: Visibility | None = None
    private: bool | None = None


class _Delete(Body):
    name: str
    organization: str | None = None
    type: Kind | None = None


class _Move(Body):
    fromRepo: str  # noqa: N815 - the Hub's own spelling
    toRepo: str  # noqa: N815
    type: Kind | None = None


class _Settings(Body):
    visibility: Visibility | None = None
    private: bool | None = None
    gated: Literal[False, "auto", "manual"] | None = None


class _Duplicate(Body):
    repository: str
    visibility: Visibility | None = None


class _Squash(Body):
    message: str = "squashed"


def make(state: State, kind: Kind, name: str, *, private: bool, author: str) -> Repo:
    """Make a repository with its first commit."""
    owner = state.people.value.identity(namespace(name))
    now = time.time()
    repo = Repo(kind=kind, id=name, owner=owner, oid=identity(), created=now, private=private)
    tree = {".gitattributes": state.objects.put(_ATTRIBUTES)}
    first = Commit(
        parents=(), tree=tree, title="initial commit", message="", author=author, date=now
    )
    made = state.move(repo, MAIN, state.repos.add_commit(repo, first))
    state.repos.put(made)
    state.tell(made, Happening(scope="repo", action="create"))
    return made


def create(state: State, ask: Ask) -> Answer:
    """Make a repository for the caller or their organisation."""
    wish = ask.json(_Create)
    name, kind = f"{wish.organization or ask.user()}/{wish.name}", wish.type or "model"
    _check_free(state, ask, kind, name)
    private = _private(wish.visibility, wish.private)
    if private is None:
        private = state.people.value.default_visibility(namespace(name)) == "private"
    repo = make(state, kind, name, private=private, author=ask.user())
    return reply({"url": f"{state.url}/{repo.where}", "name": name, "id": repo.oid})


def _private(visibility: Visibility | None, private: bool | None) -> bool | None:
    return private if visibility is None else visibility == "private"


def _check_free(state: State, ask: Ask, kind: Kind, name: str) -> None:
    """Whether the caller may make a repository of this name.

    Raises:
        Problem: they may not, it is no name, or it is taken; then the answer has the address.
    """
    user = ask.user()
    if ask.token is None or not state.people.value.reaches(ask.token, name, "write"):
        owner = namespace(name)
        raise Problem(
            403,
            f"`{user}` doesn't have the rights to create a {kind} under the namespace `{owner}`",
        )
    bare = name.partition("/")[2]
    if not re.fullmatch(r"\w[\w.\-]{0,95}", bare) or "--" in bare or ".." in bare:
        raise Problem(400, f"Invalid repo name: {name}")
    there = state.repos.get(kind, name)
    if there is not None:
        said = f"You already created this {kind} repo"
        raise Problem(409, said, body={"error": said, "url": f"{state.url}/{there.where}"})


def delete(state: State, ask: Ask) -> Answer:
    """Delete a repository."""
    wish = ask.json(_Delete)
    owner = wish.organization or ask.user()
    repo = state.reach(ask, f"{wish.type or 'model'}s", f"{owner}/{wish.name}", "write")
    state.repos.remove(repo)
    state.tell(repo, Happening(scope="repo", action="delete"))
    return Answer()


def rename(state: State, ask: Ask) -> Answer:
    """Give a repository another name."""
    wish = ask.json(_Move)
    kind = wish.type or "model"
    repo = state.reach(ask, f"{kind}s", wish.fromRepo, "write")
    _check_free(state, ask, kind, wish.toRepo)
    state.repos.put(replace(repo, id=wish.toRepo))
    return reply({})


def settings(state: State, ask: Ask) -> Answer:
    """Change who sees a repository, and its gate."""
    kind, name = ask.parts
    repo = state.reach(ask, kind, name, "write")
    wish = ask.json(_Settings)
    private = _private(wish.visibility, wish.private)
    changed = replace(
        repo,
        private=repo.private if private is None else private,
        gated=repo.gated if wish.gated is None else wish.gated,
    )
    state.repos.put(changed)
    more = {"updatedConfig": {} if private is None else {"private": private}}
    state.tell(changed, Happening(scope="repo.config", more=more))
    return reply(wish.model_dump(exclude_none=True))


def duplicate(state: State, ask: Ask) -> Answer:
    """Copy a repository with its history."""
    kind, name = ask.parts
    source = state.reach(ask, kind, name, "files")
    wish = ask.json(_Duplicate)
    _check_free(state, ask, source.kind, wish.repository)
    private = source.private if wish.visibility is None else wish.visibility == "private"
    target = Repo(
        kind=source.kind,
        id=wish.repository,
        owner=state.people.value.identity(namespace(wish.repository)),
        oid=identity(),
        created=time.time(),
        private=private,
        refs=source.refs,
        lfs=source.lfs,
    )
    state.repos.copy_commits(source, target)
    state.repos.put(target)
    state.tell(target, Happening(scope="repo", action="create"))
    return reply({"url": f"{state.url}/{target.where}", "filesCopyPending": False})


def squash(state: State, ask: Ask) -> Answer:
    """Make one commit of a branch's history."""
    kind, name, branch = ask.parts
    repo = state.reach(ask, kind, name, "write")
    old, head = state.at(repo, branch)
    title, now = ask.json(_Squash).message, time.time()
    made = replace(head, parents=(), title=title, message="", author=ask.user(), date=now)
    new, ref = state.repos.add_commit(repo, made), f"refs/heads/{branch}"
    kept = state.move(repo, ref, new)
    state.repos.put(kept)
    state.tell(kept, moved(ref, old, new))
    return reply({})


ROUTES = (
    route("POST /api/repos/create", create),
    route("DELETE /api/repos/delete", delete),
    route("POST /api/repos/move", rename),
    route("PUT /api/{kind}/{repo}/settings", settings),
    route("POST /api/{kind}/{repo}/duplicate", duplicate),
    route("POST /api/{kind}/{repo}/super-squash/{rev}", squash),
)
