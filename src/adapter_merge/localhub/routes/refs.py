"""Branches and tags."""

from __future__ import annotations

from collections.abc import Mapping

from adapter_merge.localhub.repos import MAIN, Repo, sound_ref
from adapter_merge.localhub.routes.route import route
from adapter_merge.localhub.state import State
from adapter_merge.localhub.webhooks import moved
from adapter_merge.localhub.wire import Answer, Ask, Body, Problem, reply


class _Tag(Body):
    tag: str


class _Branch(Body):
    startingPoint: str = "main"  # noqa: N815 - the Hub's own spelling


def refs(state: State, ask: Ask) -> Answer:
    """All branches and tags, and pull requests where they are asked for."""
    kind, name = ask.parts
    repo = state.reach(ask, kind, name)
    said: dict[str, object] = {
        "branches": _named(repo.refs, "refs/heads/"),
        "converts": [],
        "tags": _named(repo.refs, "refs/tags/"),
    }
    if "include_prs" in ask.query:
        said["pullRequests"] = _named(repo.refs, "refs/pr/")
    return reply(said)


def _named(refs: Mapping[str, str], start: str) -> list[dict[str, str]]:
    return [
        {"name": ref.removeprefix(start), "ref": ref, "targetCommit": commit}
        for ref, commit in refs.items()
        if ref.startswith(start)
    ]


def tag(state: State, ask: Ask) -> Answer:
    """Make a tag at a revision."""
    kind, name, revision = ask.parts
    repo = state.reach(ask, kind, name, "write")
    return _made(state, repo, f"refs/tags/{ask.json(_Tag).tag}", revision)


def branch(state: State, ask: Ask) -> Answer:
    """Make a branch at a revision."""
    kind, name, new = ask.parts
    repo = state.reach(ask, kind, name, "write")
    return _made(state, repo, f"refs/heads/{new}", ask.json(_Branch).startingPoint)


def _made(state: State, repo: Repo, ref: str, revision: str) -> Answer:
    if ref in repo.refs:
        raise Problem(409, f"Reference already exists: {ref}")
    if not sound_ref(ref):
        raise Problem(400, f"Invalid reference: {ref}")
    commit = state.resolve(repo, revision)
    kept = state.move(repo, ref, commit)
    state.repos.put(kept)
    state.tell(kept, moved(ref, None, commit))
    return reply({})


def untag(state: State, ask: Ask) -> Answer:
    """Delete a tag."""
    kind, name, old = ask.parts
    return _gone(state, state.reach(ask, kind, name, "write"), f"refs/tags/{old}")


def unbranch(state: State, ask: Ask) -> Answer:
    """Delete a branch."""
    kind, name, old = ask.parts
    return _gone(state, state.reach(ask, kind, name, "write"), f"refs/heads/{old}")


def _gone(state: State, repo: Repo, ref: str) -> Answer:
    if ref not in repo.refs:
        raise Problem(404, f"{ref} not found", "RevisionNotFound")
    if ref == MAIN:
        raise Problem(403, "Cannot delete the default branch")
    kept = state.move(repo, ref, None)
    state.repos.put(kept)
    state.tell(kept, moved(ref, repo.refs[ref], None))
    return reply({})


ROUTES = (
    route("GET /api/{kind}/{repo}/refs", refs),
    route("POST /api/{kind}/{repo}/tag/{rev}", tag),
    route("DELETE /api/{kind}/{repo}/tag/{rev}", untag),
    route("POST /api/{kind}/{repo}/branch/{rev}", branch),
    route("DELETE /api/{kind}/{repo}/branch/{rev}", unbranch),
)
