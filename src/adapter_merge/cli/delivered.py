"""What a Hub got, in rows: the commit, who may read it, what had to be sent; and the next step."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from adapter_merge.figures import nbytes
from adapter_merge.report import Published, Report


def delivered(report: Report) -> Iterator[tuple[str, str]]:
    """The rows of a result for a Hub: of what was published, or of where it waits."""
    if report.waits is not None:
        yield "waits", report.waits
    if report.published is None:
        return
    published = report.published
    title = f": {published.title}" if published.title else ""
    yield "published", f"{where(published)}{title}"
    yield "", published.url
    why = f" ({published.why})" if published.why else ""
    yield "visibility", f"{published.visibility}{why}"
    if not published.found:
        yield "sent", sent(published)
    if since := moved_since(report):
        yield "weights", since


def where(published: Published) -> str:
    """The commit with its branch and tag, or its pull request."""
    commit = f"commit {published.commit[:7]}"
    tag = f", tag {published.tag}" if published.tag is not None else ""
    place = f"{commit} on {published.branch or 'main'}{tag}"
    if published.pull_request is not None:
        place = f"pull request {published.pull_request}, {commit}"
    return f"{place}, which stood there already" if published.found else place


def sent(published: Published) -> str:
    """What went over the line, and what didn't have to."""
    kept = f"; {nbytes(published.kept)} were there, or copied by the Hub" if published.kept else ""
    return f"{nbytes(published.moved)}{kept}"


def moved_since(report: Report) -> str:
    """Whose vectors people have to make again; empty where the weights aren't new."""
    published = report.published
    if published is None or published.since_tag is None or report.status == "unchanged":
        return ""
    return f"changed since tag {published.since_tag}"


def next_step(report: Report) -> str:
    """What to do now; empty where there is nothing."""
    published = report.published
    if report.waits is not None and published is None:
        return shlex.join(["adapter-merge", "publish", report.waits, "--to", report.to or ""])
    if published is not None and published.pull_request is not None:
        return f"look at {published.url}, and merge it there"
    if published is not None:
        branch = f"@{published.branch}" if published.branch is not None else ""
        return f"adapter-merge verify {published.repo}{branch}"
    return f"adapter-merge verify {report.to}" if report.status in ("merged", "unchanged") else ""
