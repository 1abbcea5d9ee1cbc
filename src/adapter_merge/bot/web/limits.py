"""How much of a request is taken: before anything is parsed, whoever sends it."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The Hub's payloads have some kilobytes; a push of many refs has more.
MOST_BYTES = 1 << 20


class TooLong(HTTPException):
    """A body with more bytes than are taken."""

    def __init__(self) -> None:
        super().__init__(status_code=413, detail="the body is too long")


class Capped:
    """Lets no more than so many bytes of a body through, whatever its headers promise.

    Nothing is read of what is told to be too long; a body in chunks is counted as it comes.
    """

    def __init__(self, app: ASGIApp, most: int = MOST_BYTES) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its body counted."""
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            if _told(scope) > self._most:
                raise TooLong
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._most:
                raise TooLong
            return message

        await self._app(scope, counted if scope["type"] == "http" else receive, send)


def _told(scope: Scope) -> int:
    """What the request says of its length; the server has refused what is no number."""
    return max((int(v) for k, v in scope["headers"] if k == b"content-length"), default=0)
