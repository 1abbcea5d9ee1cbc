"""What came of a merge at the commit that started it: a status and a check run, each updated and never doubled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from github.CheckRun import CheckRun
from github.Commit import Commit
from github.CommitStatus import CommitStatus
from github.PaginatedList import PaginatedList

from adapter_merge.card.markdown import plain
from adapter_merge.github.blocks import word
from adapter_merge.github.edge import Edge
from adapter_merge.report import Report

Conclusion = Literal["success", "neutral", "failure"]

_STATES = {"success": "success", "neutral": "success", "failure": "failure"}
_DESCRIPTION = 140  # characters of a status; GitHub refuses more
_SUMMARY = 65_000  # of a check run; GitHub takes 65,535


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """What a commit gets.

    Attributes:
        name: tells it from others of the same commit; the same name is the same mark.
        sentence: one line.
        summary: Markdown.
        url: where people see more, such as the run.
    """

    name: str
    conclusion: Conclusion
    sentence: str
    summary: str
    url: str


def mark_of(report: Report, *, summary: str, url: str, dry: bool = False) -> Mark:
    """The mark of a merge, or of what a `dry` run found."""
    kinds: dict[str, Conclusion] = {"failed": "failure", "skipped": "neutral"}
    why = report.error.message if report.error is not None else report.reason
    status = word(report, dry=dry)
    return Mark(
        name=f"adapter-merge: {plain(report.to or 'nothing', 100)}",
        conclusion=kinds.get(report.status, "success"),
        sentence=f"{status}: {why}" if why else status,
        summary=summary,
        url=url,
    )


def set_status(edge: Edge, sha: str, mark: Mark) -> None:
    """Give a commit its status; nothing is written where it says so already.

    Raises:
        GithubUnavailable, Refused: see `Edge.settled`.
    """
    commit = edge.repo.get_commit(sha)
    # PyGithub asks for the list at an address that GitHub doesn't document any more.
    where = f"{edge.repo.url}/commits/{sha}/statuses"
    said = PaginatedList(CommitStatus, edge.repo.requester, where, None)
    wanted = (_STATES[mark.conclusion], plain(mark.sentence, _DESCRIPTION), mark.url)

    def look() -> CommitStatus | None:
        newest = next((s for s in edge.listed(said) if s.context == mark.name), None)
        if newest is None:
            return None
        standing = (newest.state, newest.description, newest.target_url)
        return newest if standing == wanted else None

    def make() -> CommitStatus:
        state, description, url = wanted
        return commit.create_status(state, url, description, mark.name)

    edge.settled(look, make, f"the status of `{sha[:12]}`", "statuses: write")


def set_check(edge: Edge, sha: str, mark: Mark) -> str:
    """Give a commit its check run, or bring the one of that name up to date; the result is its page.

    Raises:
        GithubUnavailable, Refused: see `Edge.settled`; only an app's token, such as a workflow's own, may.
    """
    thing, needs = f"the check run of `{sha[:12]}`", "checks: write"
    commit = edge.repo.get_commit(sha)

    def look() -> CheckRun | None:
        return _ours(edge, commit, mark)

    def make() -> CheckRun:
        return edge.repo.create_check_run(mark.name, sha, **_said(mark))

    found = edge.settled(look, make, thing, needs)
    if not _says(found, mark):
        edge.own(found.url)
        edge.asked(lambda: found.edit(**_said(mark)), thing, needs)
    return found.html_url


def _ours(edge: Edge, commit: Commit, mark: Mark) -> CheckRun | None:
    named = edge.listed(commit.get_check_runs(check_name=mark.name))
    return next((c for c in named if c.external_id == _key(mark)), None)


def _key(mark: Mark) -> str:
    """What tells our check runs from others that have the name."""
    return f"adapter-merge {mark.name}"[:_DESCRIPTION]


def _said(mark: Mark) -> dict[str, Any]:
    output = {"title": plain(mark.sentence, _DESCRIPTION), "summary": mark.summary[:_SUMMARY]}
    return {
        "details_url": mark.url,
        "external_id": _key(mark),
        "status": "completed",
        "conclusion": mark.conclusion,
        "output": output,
    }


def _says(found: CheckRun, mark: Mark) -> bool:
    said = _said(mark)
    output = {"title": found.output.title, "summary": found.output.summary}
    return (found.conclusion, found.details_url, output) == (
        mark.conclusion,
        mark.url,
        said["output"],
    )
