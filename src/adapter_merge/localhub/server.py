"""HTTP on loopback: reads what is asked, has it answered, and breaks what shall break."""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qs, urlsplit

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
from adapter_merge.localhub.repos import KINDS, identity
from adapter_merge.localhub.routes import find
from adapter_merge.localhub.state import State
from adapter_merge.localhub.users import Token
from adapter_merge.localhub.wire import Answer, Ask, Inflow, Problem

HOST = "127.0.0.1"
_FIRST_PART = re.compile(
    r"(?P<start>/api/(?P<kind>models|datasets|spaces)/|/(?:(?P<at>datasets|spaces)/)?)(?P<name>[^/]+?)(?=/|\.git/|$)"
)


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
        with server.journal.busy():
            server.journal.write(self._exchange(server))

    def _exchange(self, server: Server) -> Logged:
        headers = {name.lower(): value for name, value in self.headers.items()}
        inflow = Inflow(cast("BinaryIO", self.rfile), headers)
        effect = server.faults.take(f"{self.command} {self.path}")
        try:
            answer, token = self._answer(server, effect, headers, inflow)
        except ConnectionError:
            self._cut()
            answer, token = Answer(status=0), None
        return Logged(
            method=self.command,
            path=self.path,
            status=answer.status,
            user=token.user if token is not None else None,
            received=inflow.received,
            sent=self._send(answer, effect) if answer.status else 0,
        )

    def _answer(
        self, server: Server, effect: Effect | None, headers: dict[str, str], inflow: Inflow
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
            answer, token = answered(server, self.command, self.path, headers, inflow)
        for _ in inflow.chunks():
            pass  # what nobody read would be taken for the next request
        if isinstance(effect, Lost):
            raise ConnectionAbortedError
        return answer, token

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


def answered(
    server: Server, method: str, target: str, headers: dict[str, str], inflow: Inflow
) -> tuple[Answer, Token | None]:
    """What the Hub answers, and to whose token."""
    token: Token | None = None
    limited: dict[str, str] = {}
    try:
        token = _token(server.state, headers.get("authorization"))
        standing = server.limits.count(headers.get("authorization", ""))
        limited = dict(standing.headers)
        if not standing.within:
            raise Problem(429, "You have been rate-limited")  # noqa: TRY301 - all are answered alike
        answer = _asked(server.state, method, target, headers, inflow, token)
    except Problem as e:
        answer = e.answer()
    except ConnectionError:
        raise
    except Exception:  # the one place where a bug becomes an answer
        traceback.print_exc(file=sys.stderr)
        answer = Problem(500, "this is a bug in the local Hub").answer()
    said = {**answer.headers, **limited}
    return Answer(status=answer.status, headers=said, body=answer.body), token


def _token(state: State, header: str | None) -> Token | None:
    try:
        return state.people.value.bearer(header)
    except PermissionError as e:
        raise Problem(401, "Invalid credentials in Authorization header") from e


def _asked(
    state: State,
    method: str,
    target: str,
    headers: dict[str, str],
    inflow: Inflow,
    token: Token | None,
) -> Answer:
    url = urlsplit(target)
    path = _two_parts(state, url.path)
    found = find(method, path)
    if found is None:
        raise Problem(404, f"This Hub has no `{method} {url.path}`")
    route, parts = found
    ask = Ask(
        method=method,
        path=path,
        parts=parts,
        query=parse_qs(url.query, keep_blank_values=True),
        headers=headers,
        body=inflow,
        token=token,
    )
    if route.streams or method in ("GET", "HEAD"):
        return route.handle(state, ask)
    inflow.whole()  # so that nobody waits for a slow client
    with state.lock:
        if state.closed:
            raise ConnectionAbortedError
        return route.handle(state, ask)


def _two_parts(state: State, path: str) -> str:
    """A path whose repository has an owner: `gpt2` becomes `_/gpt2`, where there is one of that name."""
    found = _FIRST_PART.match(path)
    if found is None:
        return path
    kind = KINDS[found["kind"] or found["at"] or "models"]
    if state.repos.get(kind, found["name"]) is None:
        return path
    return f"{found['start']}_/{path[found.start('name') :]}"
