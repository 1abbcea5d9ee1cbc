"""What GitHub answers, as values; `test_openapi.py` holds them against GitHub's own description."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.github.stub import Workflow

_NOW = "2026-01-02T03:04:05Z"


def user_shape(url: str, login: str, *, bot: bool = False, whole: bool = False) -> dict[str, Any]:
    at = f"{url}/users/{login}"
    names = (
        "followers following gists starred subscriptions organizations repos events received_events"
    )
    user: dict[str, Any] = {
        "login": login,
        "id": 7,
        "node_id": "U_7",
        "avatar_url": f"{at}/avatar",
        "gravatar_id": "",
        "url": at,
        "html_url": at,
        **{f"{name}_url": f"{at}/{name}" for name in names.split()},
        "type": "Bot" if bot else "User",
        "site_admin": False,
    }
    if whole:
        texts = "name company blog location email bio"
        counts = "public_repos public_gists followers following"
        user |= dict.fromkeys(texts.split(), "") | dict.fromkeys(counts.split(), 0)
        user |= {"email": None, "hireable": None, "created_at": _NOW, "updated_at": _NOW}
    return user


def status_shape(
    url: str, number: int, sha: str, sent: dict[str, Any], author: dict[str, Any]
) -> dict[str, Any]:
    return {
        "url": f"{url}/repos/org/models/statuses/{sha}",
        "avatar_url": None,
        "id": number,
        "node_id": f"S_{number}",
        "state": sent["state"],
        "description": sent.get("description"),
        "target_url": sent.get("target_url"),
        "context": sent.get("context", "default"),
        "created_at": _NOW,
        "updated_at": _NOW,
        "creator": author,
    }


def check_shape(url: str, repo: str, number: int, sent: dict[str, Any]) -> dict[str, Any]:
    at = f"{url}/repos/{repo}/check-runs/{number}"
    output = sent.get("output", {})
    return {
        "id": number,
        "node_id": f"C_{number}",
        "head_sha": sent["head_sha"],
        "name": sent["name"],
        "url": at,
        "html_url": at,
        "details_url": sent.get("details_url"),
        "status": sent.get("status", "queued"),
        "conclusion": sent.get("conclusion"),
        "started_at": _NOW,
        "completed_at": _NOW,
        "external_id": sent.get("external_id"),
        "check_suite": {"id": 1},
        "output": {
            "title": output.get("title"),
            "summary": output.get("summary"),
            "text": None,
            "annotations_count": 0,
            "annotations_url": f"{at}/annotations",
        },
        "app": None,
        "pull_requests": [],
    }


def comment_shape(
    url: str, repo: str, number: int, issue: int, body: str, author: dict[str, Any]
) -> dict[str, Any]:
    at = f"{url}/repos/{repo}/issues"
    return {
        "id": number,
        "node_id": f"IC_{number}",
        "url": f"{at}/comments/{number}",
        "html_url": f"{at}/{issue}#issuecomment-{number}",
        "issue_url": f"{at}/{issue}",
        "user": author,
        "created_at": _NOW,
        "updated_at": _NOW,
        "author_association": "NONE",
        "body": body,
    }


def release_shape(
    url: str, repo: str, number: int, sent: dict[str, Any], author: dict[str, Any]
) -> dict[str, Any]:
    at = f"{url}/repos/{repo}/releases/{number}"
    draft = sent.get("draft", False)
    return {
        "url": at,
        "assets_url": f"{at}/assets",
        "upload_url": f"{at}/assets{{?name,label}}",
        "tarball_url": f"{at}/tarball",
        "zipball_url": f"{at}/zipball",
        "html_url": f"{at}/page",
        "id": number,
        "node_id": f"R_{number}",
        "tag_name": sent["tag_name"],
        "target_commitish": sent.get("target_commitish", "main"),
        "name": sent.get("name"),
        "body": sent.get("body"),
        "draft": draft,
        "prerelease": sent.get("prerelease", False),
        "created_at": _NOW,
        "published_at": None if draft else _NOW,
        "author": author,
        "assets": [],
    }


def asset_shape(
    url: str, repo: str, number: int, name: str, size: int, digest: str
) -> dict[str, Any]:
    at = f"{url}/repos/{repo}/releases/assets/{number}"
    return {
        "id": number,
        "node_id": f"RA_{number}",
        "name": name,
        "label": "",
        "content_type": "application/octet-stream",
        "state": "uploaded",
        "size": size,
        "digest": digest,
        "url": at,
        "browser_download_url": at,
        "download_count": 0,
        "created_at": _NOW,
        "updated_at": _NOW,
        "uploader": None,
    }


def repository_shape(url: str, repo: str, *, whole: bool = False) -> dict[str, Any]:
    """What others say of the repository that they belong to, or the `whole` that it says itself."""
    at = f"{url}/repos/{repo}"
    names = (
        "archive assignees blobs branches collaborators comments commits compare contents contributors deployments "
        "downloads events forks git_commits git_refs git_tags hooks issue_comment issue_events issues keys labels "
        "languages merges milestones notifications pulls releases stargazers statuses subscribers subscription tags "
        "teams trees"
    )
    owner, _, name = repo.partition("/")
    counts = "forks forks_count network_count open_issues open_issues_count size stargazers_count"
    flags = "archived disabled has_discussions has_issues has_pages has_projects has_wiki"
    more: dict[str, Any] = {
        "default_branch": "main",
        **{f"{one}_url": at for one in ("svn", "clone", "git", "ssh")},
        **dict.fromkeys(("homepage", "language", "license", "mirror_url")),
        **dict.fromkeys((*counts.split(), "subscribers_count", "watchers", "watchers_count"), 0),
        **dict.fromkeys(flags.split(), False),
        **dict.fromkeys(("created_at", "pushed_at", "updated_at"), _NOW),
    }
    return {
        **(more if whole else {}),
        "id": 1,
        "node_id": "R_1",
        "name": name,
        "full_name": repo,
        "owner": user_shape(url, owner),
        "private": False,
        "html_url": f"https://github.com/{repo}",
        "description": None,
        "fork": False,
        "url": at,
        **{f"{one}_url": f"{at}/{one}" for one in names.split()},
    }


def run_shape(url: str, repo: str, run: Workflow) -> dict[str, Any]:
    at = f"{url}/repos/{repo}/actions/runs/{run.id}"
    names = "jobs logs check_suite artifacts cancel rerun previous_attempt workflow"
    return {
        "id": run.id,
        "name": "Merge a push",
        "node_id": f"WFR_{run.id}",
        "check_suite_id": run.id,
        "check_suite_node_id": f"CS_{run.id}",
        "head_branch": "main",
        "head_sha": "a" * 40,
        "head_commit": None,
        "head_repository": repository_shape(url, repo),
        "repository": repository_shape(url, repo),
        "path": ".github/workflows/push.yml@main",
        "run_number": run.id,
        "run_attempt": 1,
        "event": "repository_dispatch",
        "display_title": run.title,
        "status": run.status,
        "conclusion": run.conclusion,
        "workflow_id": 1,
        "url": at,
        "html_url": f"https://github.com/{repo}/actions/runs/{run.id}",
        "pull_requests": [],
        "created_at": _NOW,
        "updated_at": _NOW,
        "run_started_at": _NOW,
        **{f"{name}_url": f"{at}/{name}" for name in names.split()},
    }


def job_shape(url: str, repo: str, run: Workflow) -> dict[str, Any]:
    """The one job of a run, which has the run's number."""
    at = f"{url}/repos/{repo}"
    steps = [_step_shape(run, number) for number in range(len(run.steps))]
    return {
        "id": run.id,
        "run_id": run.id,
        "run_url": f"{at}/actions/runs/{run.id}",
        "node_id": f"CR_{run.id}",
        "head_sha": "a" * 40,
        "url": f"{at}/actions/jobs/{run.id}",
        "html_url": f"https://github.com/{repo}/actions/runs/{run.id}/job/{run.id}",
        "status": run.status,
        "conclusion": run.conclusion,
        "created_at": _NOW,
        "started_at": _NOW,
        "completed_at": _NOW if run.conclusion else None,
        "name": "sync",
        "steps": steps,
        "check_run_url": f"{at}/check-runs/{run.id}",
        "labels": ["ubuntu-latest"],
        "runner_id": 1,
        "runner_name": "one",
        "runner_group_id": 1,
        "runner_group_name": "all",
        "workflow_name": "Merge a push",
        "head_branch": "main",
    }


def _step_shape(run: Workflow, number: int) -> dict[str, Any]:
    ended = number < run.ended
    last = number == len(run.steps) - 1
    status = "completed" if ended else "in_progress" if number == run.ended else "queued"
    return {
        "name": run.steps[number],
        "status": status,
        "conclusion": (run.conclusion if last else "success") if ended else None,
        "number": number + 1,
        "started_at": _NOW,
        "completed_at": _NOW if ended else None,
    }


def annotation_shape(url: str, repo: str, title: str, message: str) -> dict[str, Any]:
    return {
        "path": ".github",
        "start_line": 1,
        "end_line": 1,
        "start_column": None,
        "end_column": None,
        "annotation_level": "failure",
        "title": title,
        "message": message,
        "raw_details": None,
        "blob_href": f"{url}/{repo}/blob/{'a' * 40}/.github",
    }
