"""The addresses of the pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import FastAPI

from adapter_merge.bot.web.pages.shown import Shown


def _now() -> datetime:
    return datetime.now(UTC)


def add(app: FastAPI, shown: Shown, *, now: Callable[[], datetime] = _now) -> None:
    """Put the pages into an application, and its answer to who asks for a page that isn't there."""
