"""Who gets the token, and which files may be taken away: nobody and nothing but the Hub's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from adapter_merge.hub import client
from adapter_merge.hub.cache import Shelf
from adapter_merge.hub.listing import Place, listed
from adapter_merge.hub.ranges import Remote
from adapter_merge.hub.retry import Patience
from adapter_merge.hub.standing import history

COMMIT = "a" * 40
PLACE = Place(repo="org/base", commit=COMMIT)
TOKEN = "hf_ownerstoken"


class _Odd(ThreadingHTTPServer):
    """A Hub that leads to another host: by the link to the next page, and by a redirect."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str, str | None]] = []

    @property
    def away(self) -> str:
        return f"http://localhost:{self.server_port}"

    @property
    def home(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: _Odd

    def do_GET(self) -> None:
        host = self.headers["Host"].partition(":")[0]
        self.server.seen.append((host, self.path, self.headers.get("Authorization")))
        if "/resolve/" in self.path:
            self._answer(302, b"", Location=f"{self.server.away}/bytes")
        elif self.path == "/bytes":
            self._answer(206, b"abcd", **{"Content-Range": "bytes 0-3/9"})
        else:
            number = 2 if "cursor" in self.path else 1
            name = {"title": str(number), "message": "", "date": "2026-01-01T00:00:00Z"}
            file = {"type": "file", "path": f"{number}.json", "size": 1, "oid": "b" * 40}
            following = f"{self.server.away}{self.path.partition('?')[0]}?cursor=x"
            link = {"Link": f'<{following}>; rel="next"'} if number == 1 else {}
            self._answer(200, json.dumps([{"id": str(number), **name, **file}]).encode(), **link)

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _served() -> Iterator[_Odd]:
    with _Odd() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def odd() -> Iterator[_Odd]:
    with _served() as server:
        yield server


def _client(odd: _Odd, tmp_path: Path, below: str = "") -> client.Client:
    patience = Patience(tries=1)
    return client.connect(
        endpoint=f"{odd.home}{below}", cache=tmp_path, offline=False, token=TOKEN, patience=patience
    )


def files(asker: client.Client) -> list[str]:
    return sorted(listed(asker, PLACE))


def commits(asker: client.Client) -> list[str]:
    return [f"{commit.id}.json" for commit in history(asker, "org/base", "main")]


@pytest.mark.parametrize("below", ["", "/mirror"])
@pytest.mark.parametrize("ask", [files, commits])
def test_a_link_to_another_host_s_page_is_asked_for_at_home(
    odd: _Odd, tmp_path: Path, below: str, ask: Callable[[client.Client], list[str]]
) -> None:
    assert ask(_client(odd, tmp_path, below)) == ["1.json", "2.json"]
    assert {host for host, _, _ in odd.seen} == {"127.0.0.1"}
    assert {token for _, _, token in odd.seen} == {f"Bearer {TOKEN}"}
    assert len({path.partition("?")[0] for _, path, _ in odd.seen}) == 1
    assert all(path.startswith(f"{below}/api/models/org/base/") for _, path, _ in odd.seen)


def test_a_redirect_to_another_host_goes_without_the_token(odd: _Odd, tmp_path: Path) -> None:
    remote = Remote(client=_client(odd, tmp_path), place=PLACE, path="x.safetensors", size=9)
    assert remote.span(0, 4) == b"abcd"
    (first, second) = odd.seen
    assert (first[0], first[2]) == ("127.0.0.1", f"Bearer {TOKEN}")
    assert (second[0], second[2]) == ("localhost", None)


def test_a_link_that_leads_out_of_the_cache_takes_nothing_away(tmp_path: Path) -> None:
    own = tmp_path / "mine.txt"
    own.write_text("kept")
    shelf = Shelf.of(tmp_path / "cache", PLACE)
    shelf.root.mkdir(parents=True)
    (shelf.root / "config.json").symlink_to(own)
    shelf.remove("config.json")
    assert own.read_text() == "kept"
    assert not (shelf.root / "config.json").is_symlink()
    # Nor where the folder itself is a link.
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.json").write_text("kept")
    (shelf.root / "sub").symlink_to(outside)
    shelf.remove("sub/x.json")
    assert (outside / "x.json").read_text() == "kept"
