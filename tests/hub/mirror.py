"""A company's mirror before a Hub: below a path, and behind a password of its own."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

USER, PASSWORD, BELOW = "me", "s3cretword", "/hubs/mirror"
_OF_A_HOP = frozenset({"connection", "content-length", "host", "transfer-encoding"})


class _Mirror(ThreadingHTTPServer):
    """It knows who asks by the password, and asks the Hub with the token that it has for everybody."""

    def __init__(self, behind: str, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.token = urlsplit(behind).netloc, token

    @property
    def address(self) -> str:
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.server_port}{BELOW}"


class _Handler(BaseHTTPRequestHandler):
    server: _Mirror

    def _pass_on(self) -> None:
        known = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        length = int(self.headers.get("Content-Length", 0))
        content = self.rfile.read(length)
        if self.headers.get("Authorization") != f"Basic {known}":
            self._answer(401, {}, b"")
            return
        sent = {n: v for n, v in self.headers.items() if n.lower() not in _OF_A_HOP}
        behind = HTTPConnection(self.server.behind)
        path = self.path.removeprefix(BELOW)
        headers = {**sent, "Authorization": f"Bearer {self.server.token}"}
        behind.request(self.command, path, content or None, headers)
        answer = behind.getresponse()
        body = answer.read()
        kept = {n: v for n, v in answer.getheaders() if n.lower() not in _OF_A_HOP}
        if self.command == "HEAD" and (size := answer.getheader("Content-Length")):
            kept["Content-Length"] = size
        self._answer(answer.status, kept, body)
        behind.close()

    do_GET = do_HEAD = do_POST = do_PUT = _pass_on  # noqa: N815 - the server looks for these names

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def mirror(behind: str, token: str) -> Iterator[str]:
    """The address of a mirror of that Hub, with the password in it."""
    with _Mirror(behind, token) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.address
        finally:
            server.shutdown()
            thread.join()
