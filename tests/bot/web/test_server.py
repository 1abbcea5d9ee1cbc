"""The real server, spoken to by raw sockets: what an impatient, a slow and a hostile sender get."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil
import pytest

from adapter_merge.bot.web.server import address, listen
from adapter_merge.errors import RequestError
from tests.bot.web.standin import SECRET, Quick, Still, asked, served
from tests.bot.web.told import body

START = b"POST /webhook HTTP/1.1\r\nHost: x\r\n"
SENT = f"X-Webhook-Secret: {SECRET}\r\n".encode()
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + b" " * 0x10000 + b"\r\n"


@dataclass(frozen=True, kw_only=True)
class Door:
    """A server that all tests here may knock at; none of them may have the bot look at something."""

    url: str


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    bot = Still()
    with served(bot) as url:
        yield Door(url=url)
    assert bot.hints == []


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    place = urlsplit(url)
    with socket.create_connection((str(place.hostname), int(place.port or 0)), 10) as sock:
        yield sock


def answer(sock: socket.socket) -> bytes:
    """All that comes until the other side closes, or nothing where it broke off."""
    found = b""
    with suppress(ConnectionError):
        while part := sock.recv(65536):
            found += part
    return found


def status(sock: socket.socket) -> int:
    """Of the answer that comes first."""
    return int(sock.recv(12)[9:12] or 0)


def poured(sock: socket.socket, part: bytes, times: int) -> None:
    """Send a part many times, or until nobody takes it."""
    with suppress(OSError):
        for _ in range(times):
            sock.sendall(part)


BEGUN = (
    b"",
    b"POST /webhook HT",
    START,
    START + SENT + b"Content-Length: 100\r\n\r\n",
    START + SENT + b"Content-Length: 100\r\n\r\n{",
    START + SENT + CHUNKED + b"1\r\n{\r\n",
    START + b"Content-Length: 100\r\n\r\n",
    START + CHUNKED,
)


def test_who_does_not_come_to_an_end_is_left(door: Door) -> None:
    with ExitStack() as stack:
        socks = [stack.enter_context(connected(door.url)) for _ in BEGUN]
        started = time.monotonic()
        for sock, begun in zip(socks, BEGUN, strict=True):
            sock.sendall(begun)
        assert asked(door.url, "/healthz")[0] == 200  # others are answered meanwhile
        for sock in socks:
            answer(sock)
        assert Quick.seconds / 2 < time.monotonic() - started < 8 * Quick.seconds


def test_a_byte_now_and_then_gains_no_time(door: Door) -> None:
    with connected(door.url) as sock:
        sock.sendall(START)
        started = time.monotonic()
        with suppress(OSError):
            while time.monotonic() - started < 10:
                sock.sendall(b"X-A: b\r\n")
                time.sleep(0.05)
        assert time.monotonic() - started < 4 * Quick.seconds


def test_the_time_starts_anew_with_each_request() -> None:
    request = START + SENT + b"Content-Length: %d\r\n\r\n" % len(body()) + body()
    with served(Still()) as url, connected(url) as sock:
        for _ in range(4):
            sock.sendall(request[:40])
            time.sleep(0.6 * Quick.seconds)
            sock.sendall(request[40:])
            said = b""
            while not said.endswith(b"}"):
                said += sock.recv(65536)
            assert b"202 Accepted" in said


@pytest.mark.parametrize("headers", [SENT, b""], ids=["secret", "none"])
@pytest.mark.parametrize(
    "length", [b"Content-Length: 100000000\r\n\r\n", CHUNKED], ids=["told", "chunked"]
)
def test_a_hundred_megabytes_are_not_kept(door: Door, headers: bytes, length: bytes) -> None:
    with connected(door.url) as sock:
        before = psutil.Process().memory_info().rss
        sock.sendall(START + headers + length)
        part = CHUNK if length == CHUNKED else b" " * len(CHUNK)
        poured(sock, part, 100_000_000 // len(part))
        assert status(sock) == (413 if headers else 401)
        assert psutil.Process().memory_info().rss - before < 20_000_000
    assert asked(door.url, "/healthz")[0] == 200


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (START + SENT + SENT + b"Content-Length: 2\r\n\r\n{}", 401),
        (START + SENT + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
        (START + SENT + b"Content-Length: -1\r\n\r\n", 400),
        (START + SENT + b"Content-Length: many\r\n\r\n", 400),
        (START + SENT + b"Content-Length: 9999999999999999999999999\r\n\r\n", 400),
        (START + SENT + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (START + SENT + CHUNKED + b"zz\r\n", 400),
        (b"POST /webhook HTTP/1.1\r\n\r\n", 400),
        (b"POST /webhook HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST /web\x00hook HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (START + b"X-Webhook-Secret: a\x00b\r\n\r\n", 400),
        (START + b"X-Long: " + b"x" * 1_000_000 + b"\r\n\r\n", 400),
        (START + b"".join(b"X-%d: y\r\n" % n for n in range(100_000)) + b"\r\n", 400),
        (START + b"X-Webhook-Secret: \xff\xfe\r\nContent-Length: 0\r\n\r\n", 401),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404),
    ],
    ids=range(17),
)
def test_what_is_hardly_http(door: Door, sent: bytes, expected: int) -> None:
    with connected(door.url) as sock:
        poured(sock, sent, 1)
        try:
            assert status(sock) == expected
        except ConnectionError:
            assert len(sent) > 16_384  # it had closed before all was sent
    assert asked(door.url, "/healthz")[0] == 200


def test_there_are_only_so_many_connections() -> None:
    with served(Still()) as url:
        place = urlsplit(url)
        where = (str(place.hostname), int(place.port or 0))
        held = [socket.create_connection(where, 10) for _ in range(Quick.most + 10)]
        assert [answer(sock) for sock in held] == [b""] * len(held)
        for sock in held:
            sock.close()
        assert asked(url, "/healthz")[0] == 200


def test_what_a_proxy_adds_is_not_believed(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of ours reads it, and the server doesn't take it for the other end's address."""
    names = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Real-Ip")
    headers = dict.fromkeys(names, "203.0.113.9")
    assert asked(door.url, "/webhook", body(), headers)[0] == 401
    assert asked(door.url, "/webhook", b"[", {**headers, "X-Webhook-Secret": SECRET})[0] == 400
    said = [vars(record)["facts"]["peer"] for record in caplog.records if "facts" in vars(record)]
    assert said[-1] == "127.0.0.1"


def test_an_address_that_is_taken_is_said() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = int(address(taken).rpartition(":")[2])
        with pytest.raises(RequestError, match=f"127.0.0.1:{port}.*in use") as raised:
            listen("127.0.0.1", port)
    assert "--port" in raised.value.hint
    with pytest.raises(RequestError, match="nothing can be served"):
        listen("no.such.host.invalid", 0)


def test_an_address_of_the_sixth_version_is_written_in_brackets() -> None:
    try:
        listening = listen("::1", 0)
    except RequestError:
        pytest.skip("this machine has no IPv6")
    with listening:
        assert address(listening).startswith("http://[::1]:")
