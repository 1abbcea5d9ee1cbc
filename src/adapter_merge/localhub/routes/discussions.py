"""Discussions and pull requests."""

from __future__ import annotations

import time
from typing import Literal

from adapter_merge.localhub import threads, trees
from adapter_merge.localhub.repos import MAIN, Commit, Discussion, Repo, Tree
from adapter_merge.localhub.routes.route import route
from adapter_merge.localhub.state import State
from adapter_merge.localhub.webhooks import moved
from adapter_merge.localhub.wire import Answer, Ask, Body, Problem, reply


class _Open(Body):
    title: str
    description: str = ""
    pullRequest: bool = False  # noqa: N815 - the Hub's own spelling


class _Comment(Body):
    comment: str


class _Text(Body):
    content: str


class _Title(Body):
    title: str


class _Change(Body):
    status: Literal["open", "closed"]
    comment: str | None = None


class _Merge(Body):
    comment: str | None = None


def listed(state: State, ask: Ask) -> Answer:
    """The discussions of a repository, those that are asked for."""
    kind, name = ask.parts
    repo = state.reach(ask, kind, name)
    found = [threads.said(d, repo) for d in repo.discussions if _wanted(ask, d)]
    return reply({"discussions": found, "count": len(found), "start": 0, "numClosedDiscussions": 0})


def _wanted(ask: Ask, discussion: Discussion) -> bool:
    type_, status = ask.only("type") or "all", ask.only("status") or "all"
    is_open = "open" if discussion.status in ("open", "draft") else "closed"
    return (
        type_ in ("all", "discussion" if discussion.base is None else "pull_request")
        and status in ("all", is_open)
        and ask.only("author") in (None, discussion.author)
    )


def begin(state: State, ask: Ask) -> Answer:
    """Open a discussion, or a pull request that has no change yet."""
    kind, name = ask.parts
    repo, wish, user = state.reach(ask, kind, name), ask.json(_Open), ask.user()
    base = MAIN if wish.pullRequest else None
    draft = wish.pullRequest
    repo, made = threads.opened(repo, wish.title, wish.description, user, base=base, draft=draft)
    if wish.pullRequest:
        repo = state.move(repo, made.ref, repo.refs[MAIN])
    state.repos.put(repo)
    state.tell(repo, threads.happened(made, repo, state.people.value, state.url))
    where = f"{state.url}/{repo.where}/discussions/{made.num}"
    return reply({"num": made.num, "pullRequest": wish.pullRequest, "url": where})


def details(state: State, ask: Ask) -> Answer:
    """A discussion with all that was said."""
    repo, discussion = _found(state, ask)
    return reply(threads.said(discussion, repo))


def _found(state: State, ask: Ask, *, write: bool = False) -> tuple[Repo, Discussion]:
    kind, name, num = ask.parts[:3]
    repo = state.reach(ask, kind, name, "write" if write else "read")
    for discussion in repo.discussions:
        if discussion.num == int(num):
            return repo, discussion
    raise Problem(404, "Discussion not found")


def comment(state: State, ask: Ask) -> Answer:
    """Say something in a discussion."""
    repo, discussion = _found(state, ask)
    made = threads.comment(ask.user(), ask.json(_Comment).comment)
    discussion = threads.added(discussion, made)
    repo = threads.kept(repo, discussion)
    state.repos.put(repo)
    people, url = state.people.value, state.url
    state.tell(repo, threads.happened(discussion, repo, people, url, new=made))
    return reply({"newMessage": threads.said_of(made)})


def edit(state: State, ask: Ask) -> Answer:
    """Change what one said."""
    repo, discussion = _found(state, ask)
    ask.user()
    done = threads.edited(discussion, ask.parts[3], ask.json(_Text).content)
    if done is None:
        raise Problem(404, "Comment not found")
    state.repos.put(threads.kept(repo, done[0]))
    return reply({"updatedComment": threads.said_of(done[1])})


def status(state: State, ask: Ask) -> Answer:
    """Close a discussion, or open it again."""
    repo, discussion = _found(state, ask, write=True)
    wish = ask.json(_Change)
    if wish.comment:
        discussion = threads.added(discussion, threads.comment(ask.user(), wish.comment))
    discussion, made = threads.closed_or_open(discussion, wish.status, ask.user())
    state.repos.put(threads.kept(repo, discussion))
    return reply({"newStatus": threads.said_of(made)})


def title(state: State, ask: Ask) -> Answer:
    """Give a discussion another title."""
    repo, discussion = _found(state, ask)
    discussion, made = threads.retitled(discussion, ask.json(_Title).title, ask.user())
    state.repos.put(threads.kept(repo, discussion))
    return reply({"newTitle": threads.said_of(made)})


def merge(state: State, ask: Ask) -> Answer:
    """Merge a pull request into its base, as one commit."""
    repo, discussion = _found(state, ask, write=True)
    base = discussion.base
    if base is None or discussion.status not in ("open", "draft"):
        raise Problem(400, "This is no pull request that is open")
    old, now = repo.refs[base], time.time()
    summary = f"{discussion.title} (#{discussion.num})"
    made = Commit(
        parents=(old,),
        tree=_merged(state, repo, discussion.ref, old),
        title=summary,
        message=ask.json(_Merge).comment or "",
        author=ask.user(),
        date=now,
    )
    new = state.repos.add_commit(repo, made)
    done = threads.kept(repo, threads.merged(discussion, new, ask.user()))
    kept = state.move(done, base, new)
    state.repos.put(kept)
    state.tell(kept, moved(base, old, new))
    return reply({})


def _merged(state: State, repo: Repo, ref: str, base: str) -> Tree:
    """The tree of the base with what the pull request changed since it left it."""
    theirs, ours = state.at(repo, ref)[1].tree, state.repos.commit(repo, base).tree
    start = _common(state, repo, repo.refs[ref], base)
    since = state.repos.commit(repo, start).tree if start is not None else {}
    clash = trees.conflicts(since, ours, theirs)
    if clash:
        raise Problem(409, f"Both sides changed {', '.join(clash)}")
    return trees.merged(since, ours, theirs)


def _common(state: State, repo: Repo, one: str, other: str) -> str | None:
    """The newest commit that both come from; None where the history was squashed since."""
    mine = set(_line(state, repo, other))
    return next((name for name in _line(state, repo, one) if name in mine), None)


def _line(state: State, repo: Repo, start: str) -> list[str]:
    found, at = [], start
    while True:
        found.append(at)
        parents = state.repos.commit(repo, at).parents
        if not parents:
            return found
        at = parents[0]


ROUTES = (
    route("GET /api/{kind}/{repo}/discussions", listed),
    route("POST /api/{kind}/{repo}/discussions", begin),
    route("GET /api/{kind}/{repo}/discussions/{num}", details),
    route("POST /api/{kind}/{repo}/discussions/{num}/comment", comment),
    route("POST /api/{kind}/{repo}/discussions/{num}/comment/{id}/edit", edit),
    route("POST /api/{kind}/{repo}/discussions/{num}/status", status),
    route("POST /api/{kind}/{repo}/discussions/{num}/title", title),
    route("POST /api/{kind}/{repo}/discussions/{num}/merge", merge),
)
