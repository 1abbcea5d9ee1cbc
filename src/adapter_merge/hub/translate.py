"""The Hub client's exceptions as ours; no other file knows them.

Messages name the repository and what was asked; what a server said enters them as text, cut short, in one
line and without anything that looks like a token.
"""

from __future__ import annotations

import errno
import importlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlsplit

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

# httpx2, or httpx with a client before 2.0; both may be installed, and only one is the client's.
httpx: Any = importlib.import_module(theirs.HfHubHTTPError.__bases__[0].__module__.split(".")[0])

_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST = 300  # characters of what a server said
_SECRET = re.compile(r"\b(?:hf|api_org)_\w+|(?i:bearer)\s+\S+")
_RESET = re.compile(r"\br\s*=\s*0\b.*?\bt\s*=\s*(\d+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the Hub was asked about, for messages.

    Attributes:
        endpoint: the Hub's address.
        repo: `org/name`; None where the question was about no repository, such as who the token is.
        revision: branch, tag or commit, where one was named.
        path: of one file, where it was about one.
        write: whether something was to be changed there.
    """

    endpoint: str = field(repr=False)
    repo: str | None
    revision: str | None = None
    path: str | None = None
    write: bool = False

    @property
    def page(self) -> str:
        """Where people look at it; an address can hold a password."""
        parts = urlsplit(self.endpoint)
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        return f"{shown}/{self.repo}" if self.repo else shown

    @property
    def thing(self) -> str:
        """Its name in a message."""
        if self.repo is None:
            return f"the Hub at {self.host}"
        return f"`{self.path}` of `{self.repo}`" if self.path else f"`{self.repo}`"

    @property
    def has_credentials(self) -> bool:
        """Whether the address holds some, which the HTTP client sends in the place of a token."""
        return "@" in urlsplit(self.endpoint).netloc

    @property
    def host(self) -> str:
        """The Hub's name."""
        return urlsplit(self.endpoint).hostname or "the Hub"


@contextmanager
def translated(asked: Asked) -> Iterator[None]:
    """Calls of the Hub's client raise our errors within.

    Raises:
        Gated: the repository is gated or the token isn't known.
        NotFound: it isn't there, or may not be seen.
        RevisionMissing: it has no such revision.
        Refused: it may not be changed that way, or not by this token.
        Conflict: it has changed meanwhile, or is there already (409, 412).
        HubUnavailable: no answer, or none now; `asked_pause` says how long to wait.
        RequestError: an id that can't be one, offline mode, or credentials that can't be made.
        Corrupt: less came than was promised.
        DiskFull: the cache has no room left.
    """
    try:
        yield
    except AdapterMergeError:
        raise
    except _FOREIGN as e:
        raise _ours(e, asked) from e


def asked_pause(error: HubUnavailable) -> float | None:
    """Seconds after which the Hub wants to be asked again; None where it didn't say."""
    response = getattr(error.__cause__, "response", None)
    return pause_of(response) if response is not None else None


def pause_of(response: Any) -> float | None:
    """The same, of an answer. Source: https://huggingface.co/docs/hub/rate-limits."""
    found = _RESET.search(response.headers.get("ratelimit", ""))
    if response.status_code == 429 and found is not None:
        return float(found[1])
    after = response.headers.get("retry-after", "").strip()
    return float(after) if after.isascii() and after.isdigit() else None


def _ours(error: Exception, asked: Asked) -> AdapterMergeError:
    return next(make for kind, make in _KINDS if isinstance(error, kind))(error, asked)


def _no_revision(_: Exception, asked: Asked) -> AdapterMergeError:
    return RevisionMissing(
        f"`{asked.repo}` has no revision `{asked.revision}`",
        hint=f"{asked.page}/tree/main shows its branches and tags.",
    )


def _no_file(_: Exception, asked: Asked) -> AdapterMergeError:
    where = f" at `{asked.revision}`" if asked.revision else ""
    return NotFound(
        f"`{asked.repo}` has no `{asked.path}`{where}",
        hint=f"{asked.page}/tree/{asked.revision or 'main'} lists its files.",
    )


def _answered(error: theirs.HfHubHTTPError, asked: Asked) -> AdapterMergeError:
    """Our error for an answer that says no without a code of the Hub's own."""
    status = error.response.status_code
    if status == 401:
        sent = "authorization" in error.response.request.headers
        return (_unknown_token if sent else _missing)(error, asked)
    return (_busy if status in _BUSY or status >= 500 else _denied)(error, asked)


def _denied(error: theirs.HfHubHTTPError, asked: Asked) -> AdapterMergeError:
    status, words = error.response.status_code, _words(error)
    if status in {409, 412}:
        return Conflict(
            f"{asked.thing} has changed meanwhile{words}",
            hint="Run the same command again: it starts from what is there now.",
        )
    if asked.write:
        return Refused(
            f"the Hub doesn't take this change of {asked.thing} ({status}){words}",
            hint="Look whether the token may write there: https://huggingface.co/settings/tokens.",
        )
    if status == 403:
        return Gated(
            f"the token has no right to read {asked.thing}{words}",
            hint=f"Use a token that may read it; {asked.page} says who can.",
        )
    if status == 416:
        return Corrupt(
            f"{asked.thing} is shorter than the Hub's list of files says",
            hint="Upload the file again, or take another revision.",
        )
    return NotFound(
        f"the Hub has no answer about {asked.thing} ({status}){words}",
        hint=f"Check the id and the revision at {asked.page}.",
    )


def _gated(_: Exception, asked: Asked) -> AdapterMergeError:
    return Gated(
        f"`{asked.repo}` is gated, and this account has no access to it",
        hint=f"Ask for access at {asked.page}, then `hf auth login` with that account, or set `HF_TOKEN`.",
    )


def _unknown_token(_: Exception, asked: Asked) -> AdapterMergeError:
    if asked.has_credentials:
        message = f"{asked.host} doesn't take the credentials in `HF_ENDPOINT` for {asked.thing}"
        hint = "Take them out of `HF_ENDPOINT`: they go in the place of a token, so none is sent."
    else:
        message = f"{asked.host} doesn't know the token that was sent for {asked.thing}"
        hint = "`hf auth login`, or set `HF_TOKEN` to a token that is still valid; public repositories need none."
    return Refused(message, hint=hint) if asked.write else Gated(message, hint=hint)


def _missing(_: Exception, asked: Asked) -> AdapterMergeError:
    return NotFound(
        f"there is no `{asked.repo}` on {asked.host}, or this account may not see it",
        hint="Check the id; for a private repository `hf auth login`, or set `HF_TOKEN`.",
    )


def _disabled(_: Exception, asked: Asked) -> AdapterMergeError:
    return NotFound(
        f"access to `{asked.repo}` is disabled on the Hub", hint=f"{asked.page} says why."
    )


def _busy(error: theirs.HfHubHTTPError, asked: Asked) -> HubUnavailable:
    status = error.response.status_code
    if status != 429:
        return HubUnavailable(
            f"{asked.host} can't answer about {asked.thing} now ({status}){_words(error)}",
            hint="Run the same command again later; https://status.huggingface.co says how it is.",
        )
    found = HubUnavailable(
        f"{asked.host} had too many requests of this account or address",
        hint="Wait some minutes and run the same command again; with a token one may ask more often.",
    )
    found.__cause__ = error
    if (pause := asked_pause(found)) is not None:
        found.hint = (
            f"Run the same command again in {pause:.0f} s; with a token one may ask more often."
        )
    return found


def _not_here(error: theirs.LocalEntryNotFoundError, asked: Asked) -> AdapterMergeError:
    """The client looked for the file on this machine because it got no answer; the cause says why."""
    cause = error.__cause__
    if isinstance(cause, Exception):
        return _ours(cause, asked)
    return offline(asked)


def offline(asked: Asked) -> AdapterMergeError:
    """The error for what the cache on this machine lacks, in offline mode."""
    hint = "Unset `HF_HUB_OFFLINE`"
    if asked.write or asked.repo is None:
        return RequestError(
            f"offline mode is on, and {asked.thing} is on the Hub", hint=f"{hint} and run again."
        )
    where = f" at `{asked.revision}`" if asked.revision else ""
    return NotFound(
        f"offline mode is on, and {asked.thing}{where} isn't in the Hub's cache on this machine",
        hint=f"{hint}, or `hf download {asked.repo}` while there is a network.",
    )


def _offline(_: Exception, asked: Asked) -> AdapterMergeError:
    return offline(asked)


def _no_token(error: Exception, asked: Asked) -> AdapterMergeError:
    return RequestError(
        f"there is no token for {asked.thing}: {said(str(error))}",
        hint="`hf auth login`, or set `HF_TOKEN`; `HF_OIDC_RESOURCE` needs `permissions: id-token: write`.",
    )


def _no_id(error: Exception, asked: Asked) -> AdapterMergeError:
    return RequestError(
        f"`{asked.repo}` can't be an id on the Hub: {said(str(error))}", hint="Write `org/name`."
    )


def _of_system(error: OSError, asked: Asked) -> AdapterMergeError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return DiskFull(
            f"{asked.thing} can't be downloaded: {error.strerror}",
            hint="Free some space, or put the Hub's cache on another disk with `HF_HOME`.",
        )
    if error.errno is None and "Consistency check failed" in str(error):
        return Corrupt(
            f"{asked.thing} came with another length than the Hub promised",
            hint="Run the same command again.",
        )
    if error.errno is None or isinstance(error, ConnectionError | TimeoutError):
        return _silent(error, asked)
    return NotFound(
        f"the Hub's cache can't be used for {asked.thing}: {error.strerror}",
        hint="Check the folder and its rights, or name another one with `HF_HOME`.",
    )


def _silent(error: Exception, asked: Asked) -> HubUnavailable:
    words = said(str(error)) or type(error).__name__
    hint = "Run the same command again later; a company network needs `HTTPS_PROXY`, a mirror `HF_ENDPOINT`."
    if "CERTIFICATE" in words.upper():
        hint = "Name your network's certificates with `SSL_CERT_FILE=/path/to/bundle.pem`."
    return HubUnavailable(f"{asked.host} doesn't answer about {asked.thing}: {words}", hint=hint)


def _too_large(error: Exception, asked: Asked) -> AdapterMergeError:
    """The client downloads files of 50 GB and more only from Xet. Source: huggingface_hub `http_get`."""
    if "too large to be downloaded" not in str(error):
        return _strange(error, asked)
    return RequestError(
        f"{asked.thing} is larger than can be downloaded without Xet",
        hint="Unset `HF_HUB_DISABLE_XET`, and `pip install hf_xet`.",
    )


def _strange(_: Exception, asked: Asked) -> AdapterMergeError:
    return HubUnavailable(
        f"{asked.host} answers about {asked.thing} with something that no Hub sends",
        hint="Check `HF_ENDPOINT`, and whether a proxy or a login page stands between.",
    )


def _words(error: theirs.HfHubHTTPError) -> str:
    """What the server said, to be put behind a sentence."""
    words = said(error.server_message or "")
    return f": {words}" if words else ""


def said(text: str) -> str:
    """A stranger's text as part of our message: one short line, without tokens."""
    line = " ".join(_SECRET.sub("***", text).split())
    line = "".join(letter if letter.isprintable() else "?" for letter in line)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


_Make: TypeAlias = Callable[[Any, Asked], AdapterMergeError]
# The first that fits counts: many of these are kinds of those below them.
_KINDS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], _Make], ...] = (
    (theirs.GatedRepoError, _gated),
    (theirs.RepositoryNotFoundError, _missing),
    (theirs.DisabledRepoError, _disabled),
    (theirs.RevisionNotFoundError, _no_revision),
    (theirs.RemoteEntryNotFoundError, _no_file),
    (theirs.HfHubHTTPError, _answered),
    (theirs.LocalEntryNotFoundError, _not_here),
    (theirs.OfflineModeIsEnabled, _offline),
    ((theirs.LocalTokenNotFoundError, theirs.OIDCError), _no_token),
    (theirs.HFValidationError, _no_id),
    (theirs.FileMetadataError, _strange),
    ((httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, theirs.XetDownloadError), _silent),
    (OSError, _of_system),
    (ValueError, _too_large),
    ((KeyError, TypeError, AttributeError), _strange),
    (RuntimeError, _silent),  # what hf_xet raises
)
_FOREIGN = tuple(
    kind for kinds, _ in _KINDS for kind in (kinds if isinstance(kinds, tuple) else (kinds,))
)
