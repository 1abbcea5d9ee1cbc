"""PyGithub's exceptions as ours; no other file knows them.

What a server said enters a message as text: one short line, without anything that looks like a token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from github.GithubException import BadAttributeException, GithubException, IncompletableObject
from requests.exceptions import RequestException

from adapter_merge.errors import AdapterMergeError, GithubUnavailable, Refused
from adapter_merge.figures import printable

_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST = 300  # characters of what a server said
_SECRET = re.compile(r"\b(?:gh[a-z]_|github_pat_|hf_)\w+|(?i:bearer|token)\s+\S{16,}")
_LIMITED = re.compile(r"rate limit|wait a few minutes|request again later", re.IGNORECASE)


@contextmanager
def translated(thing: str, needs: str = "") -> Iterator[None]:
    """Calls of PyGithub raise our errors within; `needs` is the right of a workflow that they take.

    Raises:
        GithubUnavailable: no answer, or none now; `asked_pause` says how long to wait.
        Refused: the token may not do it, or GitHub doesn't take it.
    """
    try:
        yield
    except AdapterMergeError:
        raise
    except GithubException as e:
        raise _answered(e, thing, needs) from e
    except (RequestException, OSError) as e:
        raise GithubUnavailable(
            f"GitHub doesn't answer about {thing}: {said(str(e)) or type(e).__name__}",
            hint="Run the job again later; https://www.githubstatus.com says how it is.",
        ) from e
    # PyGithub asserts that an address is the API's, and raises these for what it can't read.
    except (AssertionError, BadAttributeException, IncompletableObject) as e:
        raise _strange(thing, e) from e
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise _strange(thing, e) from e


def is_limited(error: GithubException) -> bool:
    """Whether GitHub said no only because it was asked too often. Source: GitHub's docs, "Rate limits for the REST API"."""
    if error.status == 429:
        return True
    asks = asked_pause_of(error.headers or {}) is not None
    return error.status == 403 and (asks or _LIMITED.search(_message(error)) is not None)


def asked_pause(error: GithubUnavailable) -> float | None:
    """Seconds after which GitHub wants to be asked again; None where it didn't say."""
    cause = error.__cause__
    return asked_pause_of(cause.headers or {}) if isinstance(cause, GithubException) else None


def asked_pause_of(headers: Any) -> float | None:
    """The same, of an answer's headers."""
    found = {name.lower(): str(value) for name, value in headers.items()}
    after = found.get("retry-after", "")
    if after.isascii() and after.isdigit():
        return float(after)
    reset = found.get("x-ratelimit-reset", "")
    if found.get("x-ratelimit-remaining") == "0" and reset.isascii() and reset.isdigit():
        return max(int(reset) - datetime.now(UTC).timestamp(), 0) + 1
    return None


def _answered(error: GithubException, thing: str, needs: str) -> AdapterMergeError:
    status, words = error.status, said(_message(error))
    told = f"{thing} ({status}){f': {words}' if words else ''}"
    if is_limited(error):
        return GithubUnavailable(
            f"GitHub had too many requests of this token: {told}",
            hint="Run the job again in some minutes.",
        )
    if status in _BUSY or status >= 500:
        return GithubUnavailable(
            f"GitHub can't answer about {told}",
            hint="Run the job again later; https://www.githubstatus.com says how it is.",
        )
    if status == 401:
        return Refused(
            f"GitHub doesn't know the token that was sent for {told}",
            hint="Leave the input `github-token` out, or give it a token that is still valid.",
        )
    right = f"Give the job `permissions: {needs}`" if needs else "Look what the token may do"
    return Refused(
        f"GitHub doesn't take this of the token: {told}",
        hint=f"{right}; pull requests of forks never get it.",
    )


def _strange(thing: str, error: Exception) -> Refused:
    words = said(str(error)) or type(error).__name__
    return Refused(
        f"what answers about {thing} isn't the GitHub that was asked: {words}",
        hint="Check `GITHUB_API_URL`, and whether a proxy stands between.",
    )


def _message(error: GithubException) -> str:
    data: object = error.data
    if not isinstance(data, dict):
        return ""
    details = [e for e in data.get("errors") or () if isinstance(e, dict)]
    codes = " ".join(str(e.get("message") or e.get("code") or "") for e in details)
    return f"{data.get('message') or ''} {codes}".strip()


def said(text: str) -> str:
    """A stranger's text as part of our message: one short line, without tokens."""
    line = printable(" ".join(_SECRET.sub("***", text).split()))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
