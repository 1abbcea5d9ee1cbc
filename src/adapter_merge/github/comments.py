"""One comment on a pull request, found again by a mark that readers don't see."""

from __future__ import annotations

import re

from github.IssueComment import IssueComment

from adapter_merge.github.edge import Edge, is_by
from adapter_merge.github.summary import fitted

_MOST = 65_000  # bytes; GitHub takes 65,536 characters
_KEY = re.compile(r"[\w.:/-]{1,200}", re.ASCII)


def comment(edge: Edge, number: int, key: str, blocks: tuple[str, ...]) -> str:
    """Say something on a pull request, or say it anew where this key was used there; the result is its address.

    `key` tells comments of several steps apart. Only the token's own comments are ever changed.

    Raises:
        GithubUnavailable, Refused: see `Edge.settled`.
    """
    assert _KEY.fullmatch(key)  # noqa: S101 - ours, and it must not end the mark
    mark = f"<!-- adapter-merge: {key} -->"
    body = f"{mark}\n{fitted(blocks, _MOST)}".rstrip()
    thing, needs = f"a comment on pull request {number}", "pull-requests: write"
    issue, writer = edge.repo.get_issue(number), edge.writer()

    def look() -> IssueComment | None:
        said = edge.listed(issue.get_comments())
        return next((c for c in said if c.body.startswith(mark) and is_by(c.user, writer)), None)

    found = edge.settled(look, lambda: issue.create_comment(body), thing, needs)
    if found.body.replace("\r\n", "\n").rstrip() != body:
        edge.own(found.url)
        edge.asked(lambda: found.edit(body), thing, needs)
    return found.html_url
