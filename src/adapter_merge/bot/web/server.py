"""The HTTP server: a socket, and connections that are given up where they only take up room."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any, ClassVar

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from adapter_merge.errors import RequestError

_MOST_HEADER_BYTES = 16 << 10
_GRACE_SECONDS = 5


class Hasty(H11Protocol):
    """A connection on which each request has to come whole within a time; uvicorn itself waits for ever.

    Headers a byte a minute, a body without an end and what is left of one that was refused all count.
    """

    seconds: ClassVar[float] = 10.0
    most: ClassVar[int] = 400
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give up at once where there are too many; else wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came, and see whether that was all."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._rest()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._rest()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.seconds, self.transport.abort)

    def _rest(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on; port 0 is any free one.

    Raises:
        RequestError: the address can't be had.
    """
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(where[:2], family=family, backlog=1024)
    except OSError as e:
        # That of a system call names the address once more.
        why = os.strerror(e.errno) if e.errno is not None and e.errno > 0 else e.strerror
        raise RequestError(
            f"nothing can be served on `{host}:{port}`: {why}",
            hint="Give another `--port`, or an address of this machine with `--host`.",
        ) from e


def address(listening: socket.socket) -> str:
    """Where a socket is reached, as a URL."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server(app: FastAPI, protocol: type[H11Protocol] = Hasty) -> uvicorn.Server:
    """A server of the application.

    What a proxy adds to a request isn't believed, as nothing here depends on it, and anybody can add it.
    """
    settings: dict[str, Any] = {"proxy_headers": False, "server_header": False, "access_log": False}
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            **settings,
        )
    )
