"""What goes over the wire, as values: what was asked, what is answered, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from adapter_merge.localhub.users import Token

CHUNK = 1 << 20
# What a JSON body may have; files go by LFS, Xet, or in a commit below the LFS threshold.
_MOST = 256 << 20


class Body(BaseModel):
    """What a client sends as JSON; what the Hub doesn't need is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


Sent = TypeVar("Sent", bound=Body)


class Problem(Exception):
    """An answer that refuses; `code` is what the client tells its errors by (`X-Error-Code`)."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = headers or {}
        self.body = body

    def answer(self) -> Answer:
        """The problem as it goes over the wire."""
        line = " ".join(self.message.split()).encode("ascii", "replace").decode()
        headers = {**self.headers, "X-Error-Message": line}
        if self.code is not None:
            headers["X-Error-Code"] = self.code
        return reply(self.body or {"error": self.message}, status=self.status, headers=headers)


class Inflow:
    """The body of a request, which is read once, by whoever needs it, and as a stream where it is a file."""

    def __init__(self, source: BinaryIO, headers: Mapping[str, str]) -> None:
        self._source = source
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self._left = 0 if self._chunked else int(headers.get("content-length") or 0)
        self._whole: bytes | None = None
        self.received = 0

    def chunks(self) -> Iterator[bytes]:
        """The bytes that weren't read yet."""
        for chunk in self._framed() if self._chunked else self._plain():
            self.received += len(chunk)
            yield chunk

    def whole(self) -> bytes:
        """All of it, in memory; the same again when it was asked for before."""
        if self._whole is None:
            parts, size = [], 0
            for chunk in self.chunks():
                size += len(chunk)
                if size > _MOST:
                    raise Problem(413, "the body is too large")
                parts.append(chunk)
            self._whole = b"".join(parts)
        return self._whole

    def _plain(self) -> Iterator[bytes]:
        while self._left:
            chunk = self._source.read(min(CHUNK, self._left))
            if not chunk:
                raise ConnectionResetError
            self._left -= len(chunk)
            yield chunk

    def _framed(self) -> Iterator[bytes]:
        while self._chunked:
            size = int(self._source.readline().split(b";")[0] or b"0", 16)
            chunk = self._source.read(size)
            if len(chunk) < size:
                raise ConnectionResetError
            self._source.readline()
            self._chunked = size > 0
            if chunk:
                yield chunk


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """A request; `parts` are what its route's pattern captured, `token` is whose it is."""

    method: str
    path: str
    parts: tuple[str, ...]
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: Inflow
    token: Token | None

    def json(self, kind: type[Sent]) -> Sent:
        """The body as a value.

        Raises:
            Problem: it isn't what this call takes.
        """
        try:
            # Some calls without arguments come with no body, others with `null`.
            return kind.model_validate_json(self.body.whole().removeprefix(b"null") or b"{}")
        except ValidationError as e:
            raise Problem(400, f"the body is not what this call takes: {e}") from e

    def asks(self, name: str) -> bool:
        """Whether a switch of the query is on."""
        return self.query.get(name, [""])[0].lower() in ("true", "1")

    def only(self, name: str) -> str | None:
        """The first value of a name in the query."""
        return self.query.get(name, [None])[0]

    def user(self) -> str:
        """Who asks.

        Raises:
            Problem: nobody who is known.
        """
        if self.token is None:
            raise Problem(401, "Invalid username or password.")
        return self.token.user


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Some bytes of a file on the disk."""

    path: Path
    start: int
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What goes back; a file's bytes go straight from the disk."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Span = b""

    @property
    def size(self) -> int:
        """The length of the body in bytes."""
        return self.body.size if isinstance(self.body, Span) else len(self.body)

    def chunks(self) -> Iterator[bytes]:
        """The body, a piece at a time."""
        if isinstance(self.body, bytes):
            yield self.body
            return
        with self.body.path.open("rb") as file:
            file.seek(self.body.start)
            left = self.body.size
            while left:
                chunk = file.read(min(CHUNK, left))
                left -= len(chunk)
                yield chunk


def reply(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """JSON as an answer."""
    said = {"Content-Type": "application/json", **(headers or {})}
    return Answer(status=status, headers=said, body=json.dumps(value).encode())


def ranged(path: Path, wish: str | None, headers: Mapping[str, str]) -> Answer:
    """A file, or the part of it that a `Range` header asks for."""
    size = path.stat().st_size
    said = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", **headers}
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", wish.strip()) if wish else None
    if found is None or found[0] == "bytes=-":
        return Answer(headers=said, body=Span(path=path, start=0, size=size))
    start, end = _bounds(found[1], found[2], size)
    if start >= size or end < start:
        return Answer(status=416, headers={**said, "Content-Range": f"bytes */{size}"})
    said["Content-Range"] = f"bytes {start}-{end}/{size}"
    return Answer(status=206, headers=said, body=Span(path=path, start=start, size=end + 1 - start))


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """Both ends of a range, inclusive; without a first one it is the file's last bytes."""
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1
