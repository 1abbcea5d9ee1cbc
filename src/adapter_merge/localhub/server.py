"""HTTP on loopback: reads what is asked, has it answered, and breaks what shall break."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO, cast

from adapter_merge.localhub.dispatch import Incoming, answered
from adapter_merge.localhub.faults import (
    Cut,
    Effect,
    Faults,
    Flipped,
    Lost,
    Short,
    Slow,
    Status,
    flipped,
)
from adapter_merge.localhub.journal import Journal, Logged
from adapter_merge.localhub.limits import Limits
from adapter_merge.localhub.repos import identity
from adapter_merge.localhub.state import State
from adapter_merge.localhub.users import Token
from adapter_merge.localhub.wire import Answer, Inflow

HOST = "127.0.0.1"


class Server(ThreadingHTTPServer):
    """The Hub's server; it knows its connections, so that its end is theirs too."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, state: State) -> None:
        super().__init__((HOST, port), Handler)
        self.state = state
        self.faults = Faults()
        self.limits = Limits()
        self.journal = Journal()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """See the base class."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """See the base class."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave connections that break without a word: clients go away, and faults cut them."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Take no more requests, and end all connections."""
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    # An answer is its head and its body: without this, the body waits for the client's acknowledgement.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing; `Server.journal` has it."""

    def do_GET(self) -> None:
        """Answer any request."""
        server = cast("Server", self.server)
        with server.journal.note() as write:
            write(self._exchange(server))

    def _exchange(self, server: Server) -> Logged:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = Inflow(cast("BinaryIO", self.rfile), headers)
        incoming = Incoming(method=self.command, target=self.path, headers=headers, body=body)
        effect = server.faults.take(f"{self.command} {self.path}")
        try:
            answer, token = _answer(server, effect, incoming)
        except ConnectionError:
            self._cut()
            answer, token = Answer(status=0), None
        return Logged(
            method=self.command,
            path=self.path,
            status=answer.status,
            user=token.user if token is not None else None,
            received=body.received,
            sent=self._send(answer, effect) if answer.status else 0,
        )

    do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_GET  # noqa: N815

    def _send(self, answer: Answer, effect: Effect | None) -> int:
        """Send an answer; the result is how much of its body went."""
        if isinstance(effect, Slow):
            time.sleep(effect.seconds)
        sent = 0
        try:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(answer.size))
            self.send_header("X-Request-Id", identity())
            self.end_headers()
            if self.command != "HEAD":
                for chunk in _broken(answer, effect):
                    self.wfile.write(chunk)
                    sent += len(chunk)
            if isinstance(effect, Short):
                self._cut()
        except ConnectionError:
            self._cut()
        return sent

    def _cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _answer(
    server: Server, effect: Effect | None, incoming: Incoming
) -> tuple[Answer, Token | None]:
    """What to answer, and to whose token.

    Raises:
        ConnectionError: the client has gone, or shall think that we have.
    """
    token: Token | None = None
    if isinstance(effect, Cut):
        raise ConnectionAbortedError
    if isinstance(effect, Status):
        answer = Answer(status=effect.status, headers=effect.headers, body=effect.body)
    else:
        answer, token = answered(server.state, server.limits, incoming)
    for _ in incoming.body.chunks():
        pass  # what nobody read would be taken for the next request
    if isinstance(effect, Lost):
        raise ConnectionAbortedError
    return answer, token


def _broken(answer: Answer, effect: Effect | None) -> Iterable[bytes]:
    if isinstance(effect, Flipped):
        return flipped(answer.chunks(), answer.size)
    return _first(answer.chunks(), effect.size) if isinstance(effect, Short) else answer.chunks()


def _first(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[:size]
        size -= len(chunk)
        if size <= 0:
            return
