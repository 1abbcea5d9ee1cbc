"""The secret that the Hub sends with each delivery, in a header and in the clear."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from adapter_merge.errors import RequestError

SECRET = "ADAPTER_MERGE_WEBHOOK_SECRET"  # noqa: S105 - the variable's name
HEADER = "x-webhook-secret"
_SHORTEST = 16
_HINT = f"Make one with `openssl rand -hex 32`, put it into `{SECRET}`, or a file that `{SECRET}_FILE` names, and into the webhook."


class Secret:
    """A secret that is compared and never shown.

    Digests are compared: they are of equal length, so the time doesn't tell how long the secret is.
    """

    __slots__ = ("_digest",)

    def __init__(self, text: str) -> None:
        self._digest = sha256(text.encode()).digest()

    def fits(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether a request's headers, with names in lower case, hold it, exactly once."""
        name = HEADER.encode()
        found = [value for key, value in headers if key == name]
        given = sha256(found[0] if found else b"").digest()
        return hmac.compare_digest(given, self._digest) and len(found) == 1


def secret_of(environ: Mapping[str, str]) -> str:
    """The secret that the environment holds, or the file that it names.

    Raises:
        RequestError: there is none, or none that protects anything, or none that a header can hold.
    """
    text = environ.get(SECRET) or _file(environ.get(f"{SECRET}_FILE"))
    if not text:
        raise RequestError("the webhook has no secret: anybody could have it run", hint=_HINT)
    if len(text) < _SHORTEST:
        raise RequestError(f"the webhook's secret has less than {_SHORTEST} characters", hint=_HINT)
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise RequestError(
            "the webhook's secret has blanks at its ends, or characters that a header can't hold",
            hint=_HINT,
        )
    return text


def _file(name: str | None) -> str | None:
    if not name:
        return None
    try:
        return Path(name).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as e:
        raise RequestError(
            f"the webhook's secret can't be read from `{name}`: {e}", hint=_HINT
        ) from e
