"""Style, script and sign of the pages: files of our own, each under an address that changes with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_FILES = {
    "page.css": ("adapter_merge.pages", "text/css"),
    "bot.css": ("adapter_merge.bot.web.pages", "text/css"),
    "live.js": ("adapter_merge.bot.web.pages", "text/javascript"),
    "mark.svg": ("adapter_merge.bot.web.pages", "image/svg+xml"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """One file."""

    content: str
    media_type: str
    address: str


@cache
def assets() -> Mapping[str, Asset]:
    """All files by name."""
    return {name: _asset(name, package, kind) for name, (package, kind) in _FILES.items()}


def _asset(name: str, package: str, media_type: str) -> Asset:
    content = (files(package) / name).read_text(encoding="utf-8")
    version = hashlib.sha256(content.encode()).hexdigest()[:12]
    return Asset(content=content, media_type=media_type, address=f"/static/{name}?v={version}")
