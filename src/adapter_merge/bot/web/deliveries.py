"""`POST /webhook`: a delivery of the Hub, answered at once; whatever it leads to comes later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from adapter_merge.bot.secret import Secret
from adapter_merge.bot.web.limits import TooLong
from adapter_merge.bot.web.payload import Malformed, Payload, payload_of
from adapter_merge.bot.web.port import Bot
from adapter_merge.bot.web.webhook import Ignored, judged

Result = Literal["queued", "repeated", "ignored", "refused", "malformed", "too-long"]
_STATUS: dict[Result, int] = {"refused": 401, "malformed": 400, "too-long": 413}
_WORDS: dict[Result, str] = {"repeated": "queued"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What came of a delivery.

    Attributes:
        result: see there; `repeated` is a hint that changed nothing.
        reason: for people, without a word of the sender's.
        payload: what was read; None where nothing was, or it wasn't from the Hub.
        peer: the address at the other end, which is the proxy's where one stands before the bot.
        seconds: until it was answered.
    """

    result: Result
    reason: str
    payload: Payload | None = None
    peer: str | None = None
    seconds: float = 0.0

    @property
    def status(self) -> int:
        """Of the HTTP answer."""
        return _STATUS.get(self.result, 202)

    def answer(self) -> JSONResponse:
        """What the sender gets."""
        status = _WORDS.get(self.result, self.result)
        return JSONResponse({"status": status, "reason": self.reason}, self.status)


def deliveries(bot: Bot, secret: Secret, tell: Callable[[Heard], None]) -> APIRouter:
    """The route; `tell` gets what came of each delivery."""
    router = APIRouter()

    @router.post("/webhook")
    async def webhook(request: Request) -> JSONResponse:
        started = perf_counter()
        read = await _read(request, secret)
        payload = read if isinstance(read, Payload) else None
        result, reason = _done(read, bot) if isinstance(read, Payload) else read
        heard = Heard(
            result=result,
            reason=reason,
            payload=payload,
            peer=request.client.host if request.client is not None else None,
            seconds=perf_counter() - started,
        )
        tell(heard)
        return heard.answer()

    return router


async def _read(request: Request, secret: Secret) -> Payload | tuple[Result, str]:
    """What a delivery says, or why it isn't taken; without the secret nothing of it is read."""
    if not secret.fits(request.scope["headers"]):
        return "refused", "the secret is missing or wrong"
    try:
        return payload_of(await request.body())
    except TooLong as e:
        return "too-long", e.detail
    except ClientDisconnect:
        return "malformed", "the sender left before the end"
    except Malformed as e:
        return "malformed", str(e)


def _done(payload: Payload, bot: Bot) -> tuple[Result, str]:
    """Do what a delivery asks for."""
    verdict = judged(payload, bot)
    if isinstance(verdict, Ignored):
        return "ignored", verdict.reason
    if bot.hint(verdict.repo):
        return "queued", "that repository is looked at next"
    return "repeated", "that repository was to be looked at anyway"
