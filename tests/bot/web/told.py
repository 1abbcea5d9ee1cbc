"""Payloads as the Hub posts them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

OLD, NEW = "a" * 40, "b" * 40


def told(
    repo: str = "acme/adapter",
    *,
    event: Mapping[str, Any] | None = None,
    about: Mapping[str, Any] | None = None,
    refs: list[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """A push, in the third version of the payload, with every key that the Hub is known to send."""
    owner, _, _ = repo.partition("/")
    moved = [{"ref": "refs/heads/main", "oldSha": OLD, "newSha": NEW}]
    return {
        "event": {"action": "update", "scope": "repo.content", **(event or {})},
        "repo": {
            "type": "model",
            "name": repo,
            "id": "0123456789abcdef01234567",
            "private": False,
            "headSha": NEW,
            "owner": {"id": owner},
            "url": {"web": f"http://hub/{repo}", "api": f"http://hub/api/models/{repo}"},
            **(about or {}),
        },
        "updatedRefs": moved if refs is None else refs,
        "webhook": {"id": "0123456789abcdef01234567", "version": 3},
    }


def body(**told_: Any) -> bytes:
    """The same as bytes."""
    return json.dumps(told(**told_)).encode()
