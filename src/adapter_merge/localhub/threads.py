"""Discussions and pull requests, as pure values: each function gives the next one, `said` what the API tells."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace

from adapter_merge.localhub.repos import Discussion, Event, Repo, Status, identity, iso
from adapter_merge.localhub.users import People
from adapter_merge.localhub.webhooks import Happening


def opened(
    repo: Repo, title: str, text: str, user: str, *, base: str | None = None, draft: bool = False
) -> tuple[Repo, Discussion]:
    """A repository with one more discussion; with `base` it is a pull request."""
    made = Discussion(
        num=len(repo.discussions) + 1,
        title=title,
        author=user,
        date=time.time(),
        status="draft" if draft else "open",
        base=base,
        events=(comment(user, text),),
    )
    return replace(repo, discussions=(*repo.discussions, made)), made


def kept(repo: Repo, discussion: Discussion) -> Repo:
    """A repository with another state of one of its discussions."""
    others = tuple(discussion if d.num == discussion.num else d for d in repo.discussions)
    return replace(repo, discussions=others)


def event(type_: str, user: str, data: Mapping[str, object]) -> Event:
    """Something that happens now."""
    return Event(id=identity(), type=type_, author=user, date=time.time(), data=data)


def comment(user: str, text: str) -> Event:
    """A comment."""
    latest = {"raw": text, "html": text, "updatedAt": iso(), "author": {"name": user}}
    data = {"edited": False, "hidden": False, "latest": latest, "history": []}
    return event("comment", user, data)


def added(discussion: Discussion, made: Event) -> Discussion:
    """A discussion with one more event."""
    return replace(discussion, events=(*discussion.events, made))


def closed_or_open(discussion: Discussion, status: Status, user: str) -> tuple[Discussion, Event]:
    """A discussion with another status."""
    made = event("status-change", user, {"status": status})
    return added(replace(discussion, status=status), made), made


def retitled(discussion: Discussion, title: str, user: str) -> tuple[Discussion, Event]:
    """A discussion with another title."""
    made = event("title-change", user, {"from": discussion.title, "to": title})
    return added(replace(discussion, title=title), made), made


def edited(discussion: Discussion, name: str, text: str) -> tuple[Discussion, Event] | None:
    """A discussion with another text in one of its comments; None where it has no such comment."""
    for old in discussion.events:
        if old.id == name and old.type == "comment":
            latest = comment(old.author, text).data["latest"]
            new = replace(old, data={**old.data, "edited": True, "latest": latest})
            events = tuple(new if e.id == name else e for e in discussion.events)
            return replace(discussion, events=events), new
    return None


def merged(discussion: Discussion, commit: str, user: str) -> Discussion:
    """A pull request that went to its base as this commit."""
    made = event("status-change", user, {"status": "merged"})
    return added(replace(discussion, status="merged", merged_as=commit), made)


def said_of(made: Event) -> Mapping[str, object]:
    """An event as the API tells it."""
    author = {"name": made.author}
    when = iso(made.date)
    return {
        "id": made.id,
        "type": made.type,
        "createdAt": when,
        "author": author,
        "data": dict(made.data),
    }


def said(discussion: Discussion, repo: Repo) -> Mapping[str, object]:
    """A discussion as the API tells it."""
    request = discussion.base is not None
    return {
        "num": discussion.num,
        "title": discussion.title,
        "author": {"name": discussion.author},
        "createdAt": iso(discussion.date),
        "status": discussion.status,
        "repo": {"name": repo.id, "type": repo.kind},
        "isPullRequest": request,
        "changes": _changes(discussion),
        "filesWithConflicts": [],
        "events": [said_of(made) for made in discussion.events],
        "diff": "" if request else None,
    }


def _changes(discussion: Discussion) -> Mapping[str, str]:
    if discussion.base is None:
        return {}
    changes = {"base": discussion.base}
    if discussion.merged_as is not None:
        changes["mergeCommitId"] = discussion.merged_as
    return changes


def told(discussion: Discussion, repo: Repo, people: People, url: str) -> Mapping[str, object]:
    """A discussion as a webhook's payload tells it."""
    place = f"discussions/{discussion.num}"
    name = hashlib.sha256(f"{repo.oid}/{discussion.num}".encode()).hexdigest()[:24]
    about: dict[str, object] = {
        "id": name,
        "title": discussion.title,
        "num": discussion.num,
        "status": discussion.status,
        "author": {"id": people.identity(discussion.author)},
        "isPullRequest": discussion.base is not None,
        "url": {
            "web": f"{url}/{repo.where}/{place}",
            "api": f"{url}/api/{repo.kind}s/{repo.id}/{place}",
        },
    }
    if discussion.base is not None:
        about["changes"] = _changes(discussion)
    return about


def happened(
    discussion: Discussion, repo: Repo, people: People, url: str, *, new: Event | None = None
) -> Happening:
    """A discussion that began, or with `new` a comment in it, as webhooks are told."""
    more: dict[str, object] = {"discussion": told(discussion, repo, people, url)}
    if new is None:
        return Happening(scope="discussion", action="create", more=more)
    latest = new.data["latest"]
    more["comment"] = {
        "id": new.id,
        "author": {"id": people.identity(new.author)},
        "content": latest["raw"] if isinstance(latest, dict) else "",
        "hidden": False,
        "url": {"web": f"{url}/{repo.where}/discussions/{discussion.num}#{new.id}"},
    }
    return Happening(scope="discussion.comment", action="create", more=more)
