"""Whether the bot lives, and whether it does its work: for whoever starts it, and whoever watches it."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from adapter_merge.bot.clock import Clock
from adapter_merge.bot.standing import Standing
from adapter_merge.bot.web.port import Bot
from adapter_merge.figures import nbytes

_ROUNDS = 3


def unready(standing: Standing, now: datetime, *, names: bool = True) -> tuple[str, ...]:
    """Why merges don't follow their adapters for now; nothing where they do.

    Without `names` nothing is said that may hold a repository's, for whoever may not see those.
    """
    trouble = f": {standing.trouble}" if names else "; the log says why"
    said = [
        (bool(standing.gone), _gone(standing)),
        (standing.paused, "it is paused; `adapter-merge bot resume` ends that"),
        (standing.trouble is not None, f"the last round failed{trouble}"),
        (_late(standing, now), _age(standing, now)),
        (_full(standing), _room(standing)),
    ]
    return tuple(reason for holds, reason in said if holds)


def _gone(standing: Standing) -> str:
    return f"no longer running: {', '.join(standing.gone)}"


def _late(standing: Standing, now: datetime) -> bool:
    """Until the first round has ended there is nothing to answer for; then three may fail."""
    return standing.looked is None or now - standing.looked > _ROUNDS * standing.interval


def _age(standing: Standing, now: datetime) -> str:
    if standing.looked is None:
        return "the first round hasn't ended"
    seconds = (now - standing.looked).total_seconds()
    return f"the last round that succeeded ended {seconds:.0f} s ago"


def _full(standing: Standing) -> bool:
    return standing.free_bytes is not None and standing.free_bytes < standing.floor_bytes


def _room(standing: Standing) -> str:
    free, floor = nbytes(standing.free_bytes or 0), nbytes(standing.floor_bytes)
    return f"{free} are free on its disk, of at least {floor}"


def health(bot: Bot, clock: Clock, *, names: bool) -> APIRouter:
    """`/healthz` and `/readyz`: 200, or 503 with reasons; `names` as in `unready`."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> JSONResponse:
        standing = bot.standing()
        return _answer((_gone(standing),) if standing.gone else ())

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        return _answer(unready(bot.standing(), clock(), names=names))

    return router


def _answer(reasons: tuple[str, ...]) -> JSONResponse:
    status = "failing" if reasons else "ok"
    return JSONResponse({"status": status, "reasons": reasons}, 503 if reasons else 200)
