"""What the Hub's client raises, as our errors: right kind, plain words, and never a token."""

from __future__ import annotations

import errno
import traceback
from typing import Any

import pytest
from huggingface_hub import errors as theirs

from adapter_merge.errors import (
    AdapterMergeError,
    Conflict,
    Corrupt,
    DiskFull,
    Gated,
    HubUnavailable,
    NotFound,
    Refused,
    RequestError,
    RevisionMissing,
)
from adapter_merge.hub.translate import Asked, asked_pause, httpx, said, translated

TOKEN = "hf_abcdefghijklmnop"
ASKED = Asked(endpoint="https://hub.test", repo="org/name", revision="v1", path="x.json")
WRITE = Asked(endpoint="https://hub.test", repo="org/name", write=True)


def _answer(status: int, *, sent: bool = True, headers: dict[str, str] | None = None) -> Any:
    request = httpx.Request(
        "GET",
        "https://hub.test/api/models/org/name?X-Amz-Signature=secret",
        headers={"authorization": f"Bearer {TOKEN}"} if sent else {},
    )
    return httpx.Response(status, headers=headers or {}, request=request)


def _error(
    status: int, kind: type[theirs.HfHubHTTPError] = theirs.HfHubHTTPError, **more: Any
) -> theirs.HfHubHTTPError:
    return kind("words", response=_answer(status, **more), server_message="What the Hub says.")


def _caused(error: Exception, cause: Exception | None) -> Exception:
    error.__cause__ = cause
    return error


READ: tuple[tuple[Exception, type[AdapterMergeError], str], ...] = (
    (_error(403, theirs.GatedRepoError), Gated, "`org/name` is gated"),
    (_error(401, theirs.RepositoryNotFoundError), NotFound, "there is no `org/name` on hub.test"),
    (_error(403, theirs.DisabledRepoError), NotFound, "is disabled"),
    (_error(404, theirs.RevisionNotFoundError), RevisionMissing, "has no revision `v1`"),
    (_error(404, theirs.RemoteEntryNotFoundError), NotFound, "has no `x.json` at `v1`"),
    (_error(401), Gated, "hub.test doesn't know the token"),
    (_error(401, sent=False), NotFound, "or this account may not see it"),
    (_error(403), Gated, "no right to read .*: What the Hub says."),
    (_error(400, theirs.BadRequestError), NotFound, r"no answer about .* \(400\)"),
    (_error(416), Corrupt, "is shorter than"),
    (_error(429), HubUnavailable, "too many requests"),
    (_error(500), HubUnavailable, "can't answer"),
    (_error(504), HubUnavailable, "can't answer"),
    (_error(599), HubUnavailable, "can't answer"),
    (httpx.ConnectError("[Errno 111] Connection refused"), HubUnavailable, "Connection refused"),
    (httpx.ReadTimeout(""), HubUnavailable, "ReadTimeout"),
    (httpx.RemoteProtocolError("cut"), HubUnavailable, "cut"),
    (httpx.ProxyError("407"), HubUnavailable, "407"),
    (httpx.TooManyRedirects("round"), HubUnavailable, "round"),
    (httpx.InvalidURL("odd"), HubUnavailable, "odd"),
    (theirs.OfflineModeIsEnabled("x"), NotFound, "offline mode is on"),
    (theirs.LocalEntryNotFoundError("x"), NotFound, "offline mode is on"),
    (
        _caused(theirs.LocalEntryNotFoundError("x"), httpx.ConnectError("down")),
        HubUnavailable,
        "down",
    ),
    (_caused(theirs.LocalEntryNotFoundError("x"), _error(503)), HubUnavailable, r"\(503\)"),
    (theirs.LocalTokenNotFoundError("none"), RequestError, "there is no token"),
    (theirs.OIDCError("no id token"), RequestError, "no id token"),
    (theirs.HFValidationError("`a--b`"), RequestError, "can't be an id"),
    (theirs.FileMetadataError("x"), HubUnavailable, "no Hub sends"),
    (ValueError("Expecting value"), HubUnavailable, "no Hub sends"),
    (ValueError("The file is too large to be downloaded using"), RequestError, "without Xet"),
    (KeyError("sha"), HubUnavailable, "no Hub sends"),
    (RuntimeError("Data processing error"), HubUnavailable, "Data processing error"),
    (theirs.XetDownloadError("chunk"), HubUnavailable, "chunk"),
    (OSError(errno.ENOSPC, "No space left on device"), DiskFull, "No space left"),
    (OSError("Consistency check failed: 3"), Corrupt, "another length"),
    (PermissionError(errno.EACCES, "Permission denied"), NotFound, "cache can't be used"),
    (ConnectionResetError(errno.ECONNRESET, "reset"), HubUnavailable, "reset"),
)

WRITTEN: tuple[tuple[Exception, type[AdapterMergeError], str], ...] = (
    (_error(403), Refused, r"doesn't take this change of `org/name` \(403\): What the Hub says."),
    (_error(400, theirs.BadRequestError), Refused, r"\(400\)"),
    (_error(401), Refused, "doesn't know the token"),
    (_error(409), Conflict, "has changed meanwhile"),
    (_error(412), Conflict, "has changed meanwhile"),
    (_error(413), Refused, r"\(413\)"),
    (_error(502), HubUnavailable, "can't answer"),
    (theirs.OfflineModeIsEnabled("x"), RequestError, "offline mode is on"),
)


@pytest.mark.parametrize(
    ("error", "kind", "words", "asked"),
    [(*row, ASKED) for row in READ] + [(*row, WRITE) for row in WRITTEN],
)
def test_what_is_raised_becomes_ours(
    error: Exception, kind: type[AdapterMergeError], words: str, asked: Asked
) -> None:
    with pytest.raises(AdapterMergeError, match=words) as caught, translated(asked):
        raise error
    assert type(caught.value) is kind
    assert caught.value.hint.endswith((".", "?"))
    assert "secret" not in f"{caught.value}{caught.value.hint}"
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("error", [Conflict("x", hint="y"), KeyboardInterrupt(), AssertionError()])
def test_what_is_ours_or_a_bug_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, translated(ASKED):
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"RateLimit": '"api";r=0;t=55'}, 55),
        (429, {"RateLimit": '"api";r=3;t=55'}, None),
        (429, {"RateLimit": "odd", "Retry-After": "9"}, 9),
        (503, {"Retry-After": "2"}, 2),
        (503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        (503, {"Retry-After": "\u0661"}, None),
        (503, {}, None),
    ],
)
def test_the_pause_is_what_the_hub_asks_for(
    status: int, headers: dict[str, str], seconds: float | None
) -> None:
    encoded = {k: v.encode() for k, v in headers.items()}
    with pytest.raises(HubUnavailable) as caught, translated(ASKED):
        raise _error(status, headers=encoded)
    assert asked_pause(caught.value) == seconds
    assert asked_pause(HubUnavailable("x", hint="y")) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"token {TOKEN} is bad", "token *** is bad"),
        (f"Authorization: Bearer {TOKEN[3:]}", "Authorization: ***"),
        ("two\n::error::lines", "two ::error::lines"),
        ("\x1b[31mred\u202e", "?[31mred?"),
        ("x" * 999, "x" * 300 + "…"),
    ],
)
def test_what_strangers_say_is_one_short_line_without_tokens(text: str, line: str) -> None:
    assert said(text) == line


def test_an_address_with_a_password_is_not_repeated() -> None:
    asked = Asked(endpoint="https://me:pass@mirror.test/hf", repo="org/name")
    for error in (
        _error(404, theirs.RepositoryNotFoundError),
        httpx.ConnectError("x"),
        _error(404),
    ):
        with pytest.raises(AdapterMergeError) as caught, translated(asked):
            raise error
        assert "pass" not in f"{caught.value}{caught.value.hint}"
