"""The addresses of the pages; each is asked with GET or HEAD, and changes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from adapter_merge.bot.clock import Clock, utc
from adapter_merge.bot.record import Record
from adapter_merge.bot.web.pages import answers
from adapter_merge.bot.web.pages.assets import assets
from adapter_merge.bot.web.pages.listing import Asked, listing
from adapter_merge.bot.web.pages.shown import Shown
from adapter_merge.bot.web.pages.told import lines, report_page, sections
from adapter_merge.bot.web.pages.view import LOOKS, address, view
from adapter_merge.pages.render import environment

_NUMBER = re.compile(r"[0-9]{1,6}")
# A page shows the end of a log; its own address has all that is kept.
_LINES = 200


def add(app: FastAPI, shown: Shown, *, now: Clock = utc) -> None:
    """Put the pages into an application, and its answer to who asks for a page that isn't there."""
    pages = _Pages(shown, now)
    router = APIRouter(include_in_schema=False)
    ways: dict[str, Callable[..., Response]] = {
        "/": pages.all,
        "/static/{name}": pages.file,
        "/merges/{owner}/{name}": pages.one,
        "/merges/{owner}/{name}/report": pages.report,
        "/merges/{owner}/{name}/log": pages.log,
    }
    for path, answer in ways.items():
        router.add_api_route(path, answer, methods=["GET", "HEAD"], response_model=None)
    app.include_router(router)
    app.add_exception_handler(404, _missing)


class _Pages:
    def __init__(self, shown: Shown, now: Clock) -> None:
        self._shown = shown
        self._now = now

    def all(self, state: str = "", page: str = "") -> Response:
        """All merges; what nobody could have chosen counts as not asked for."""
        asked = Asked(
            state=next((s for s in LOOKS if s == state), None),
            page=int(page) if _NUMBER.fullmatch(page) else 1,
        )
        found = listing(self._shown.records(), self._shown.standing(), asked, self._now())
        return answers.html(_drawn("all.html.jinja", all=found))

    def one(self, owner: str, name: str) -> Response:
        """One merge in full."""
        record = self._record(owner, name)
        facts: dict[str, Any] = {
            "merge": view(record, self._now()),
            "log": lines(self._shown.log(record.target))[-_LINES:],
            "sections": sections(self._shown.report(record.target)),
        }
        return answers.html(_drawn("one.html.jinja", **facts))

    def report(self, owner: str, name: str) -> Response:
        """The newest report as a page of its own, as `--report` writes it."""
        page = report_page(self._shown.report(self._record(owner, name).target))
        if page is None:
            raise HTTPException(404)
        return answers.alone(page)

    def log(self, owner: str, name: str) -> Response:
        """The newest log as text."""
        log = lines(self._shown.log(self._record(owner, name).target))
        return answers.plain("".join(f"{line}\n" for line in log))

    def file(self, name: str) -> Response:
        """Style, script or sign."""
        asset = assets().get(name)
        if asset is None:
            raise HTTPException(404)
        return answers.file(asset)

    def _record(self, owner: str, name: str) -> Record:
        """The record whose page has this address."""
        asked = f"/merges/{owner}/{name}"
        for record in self._shown.records():
            if address(record.target) == asked:
                return record
        raise HTTPException(404)


def _missing(request: Request, _: Exception) -> Response:
    """Programs get JSON, as everywhere; people get a page."""
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"detail": "Not Found"}, 404)
    return answers.html(_drawn("missing.html.jinja"), 404)


def _drawn(template: str, **facts: object) -> str:
    ours = environment("adapter_merge.bot.web.pages").get_template(template)
    return ours.render(assets=assets(), **facts)
