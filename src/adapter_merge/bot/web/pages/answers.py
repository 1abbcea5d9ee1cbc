"""Answers for people, with what a browser may do with them: nothing that isn't ours is loaded, run, framed or kept."""

from __future__ import annotations

from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from adapter_merge.bot.web.pages.assets import Asset
from adapter_merge.pages import styles_of_pictures
from adapter_merge.pages.render import digest, style

_NOWHERE = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def html(text: str, status: int = 200) -> Response:
    """One of our pages; the styles that its pictures bring along are known by their digests."""
    styles = " ".join(("'self'", *styles_of_pictures()))
    ours = "img-src 'self'; script-src 'self'; connect-src 'self'"
    return HTMLResponse(text, status, _headers(f"style-src {styles}; {ours}"))


def alone(text: str) -> Response:
    """A report's page, which loads nothing at all."""
    styles = " ".join((digest(style("page.css")), *styles_of_pictures()))
    return HTMLResponse(text, headers=_headers(f"style-src {styles}"))


def plain(text: str) -> Response:
    """Text for people and programs."""
    return PlainTextResponse(text, headers=_headers())


def file(asset: Asset) -> Response:
    """A file of ours, which a browser may keep: what changes gets another address."""
    kept = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(asset.content, headers=_headers() | kept, media_type=asset.media_type)


def _headers(allowed: str = "") -> dict[str, str]:
    policy = "; ".join(part for part in ("default-src 'none'", allowed, _NOWHERE) if part)
    return {**_ALWAYS, "Content-Security-Policy": policy, "Cache-Control": "no-store"}
