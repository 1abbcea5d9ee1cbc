"""What GitHub answers, as values; `test_openapi.py` holds them against GitHub's own description."""

from __future__ import annotations

from typing import Any

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
