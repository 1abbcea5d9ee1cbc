"""Bare HTTP to a Hub: one request on a connection of its own, without a retry."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True, slots=True)
class Got:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> object:
        """The body as JSON."""
        return json.loads(self.body)


def ask(
    hub: str,
    line: str,
    *,
    token: str | None = None,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Got:
    """Ask a Hub `METHOD /path`; a body that isn't bytes goes as JSON.

    Raises:
        ConnectionError: there was no whole answer.
    """
    method, path = line.split(" ", 1)
    sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    said = {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
    connection = http.client.HTTPConnection(urlsplit(hub).netloc, timeout=20)
    try:
        connection.request(method, path, body=sent, headers=said)
        answer = connection.getresponse()
        return Got(
            status=answer.status,
            headers={name.lower(): value for name, value in answer.getheaders()},
            body=answer.read(),
        )
    except http.client.IncompleteRead as e:
        raise ConnectionResetError from e
    finally:
        connection.close()


def commit(files: Mapping[str, bytes], *, parent: str | None = None, summary: str = "m") -> bytes:
    """The body of a commit that puts small files."""
    header: dict[str, object] = {"summary": summary, "parentCommit": parent}
    lines: list[dict[str, object]] = [{"key": "header", "value": header}]
    for path, content in files.items():
        value = {"path": path, "content": base64.b64encode(content).decode()}
        lines.append({"key": "file", "value": value})
    return "\n".join(json.dumps(line) for line in lines).encode()
