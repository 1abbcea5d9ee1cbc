"""One repository on GitHub, and who asks: PyGithub without its retries, which would write twice.

Import it where a token is there: PyGithub takes a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

from github import Auth, Github
from github.GithubException import GithubException
from github.GithubObject import GithubObject
from github.NamedUser import NamedUser
from github.Organization import Organization
from github.PaginatedList import PaginatedList
from github.Repository import Repository

from adapter_merge.errors import GithubUnavailable, Refused, RequestError
from adapter_merge.github.translate import asked_pause, is_limited, said, translated

_PAGE = 100  # things a page has
_PAGES = 20  # that are looked through
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_T = TypeVar("_T")
_Listed = TypeVar("_Listed", bound=GithubObject)


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long to try; times in seconds.

    Attributes:
        tries: how often in all.
        first: the wait after the first failure; each later one is twice as long.
        most: of one wait. Where GitHub asks for more, nobody waits.
        timeout: for an answer to begin.
        pace: between two writes, as GitHub asks for.
    """

    tries: int = 4
    first: float = 1.0
    most: float = 60.0
    timeout: int = 30
    pace: float = 1.0
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """A repository on GitHub.

    Attributes:
        name: `owner/name`.
        api: the API's address.
        client, repo: PyGithub's; nothing is asked until something is wanted of them.
        patience: for what failed.
    """

    name: str
    api: str
    client: Github = field(repr=False)
    repo: Repository = field(repr=False)
    patience: Patience

    def asked(self, ask: Callable[[], _T], thing: str, needs: str = "") -> _T:
        """What a question that changes nothing gives; it is asked again where there was no answer.

        Raises:
            GithubUnavailable: there still is none.
            Refused: the token may not ask.
        """
        for number in range(self.patience.tries - 1):
            try:
                with translated(thing, needs):
                    return ask()
            except GithubUnavailable as e:
                self._wait(number, e)
        with translated(thing, needs):
            return ask()

    def settled(
        self, look: Callable[[], _T | None], make: Callable[[], _T], thing: str, needs: str = ""
    ) -> _T:
        """What `look` finds, or else what `make` makes, once: before each try it is looked for.

        An answer may be lost though the thing was made; a blind second try would make another.

        Raises:
            GithubUnavailable: GitHub doesn't answer; the thing may have been made.
            Refused: the token may not, or GitHub doesn't take it.
        """
        for number in range(self.patience.tries):
            found = self.asked(look, thing, needs)
            if found is not None:
                return found
            try:
                with translated(thing, needs):
                    return make()
            except GithubUnavailable as e:
                if number == self.patience.tries - 1:
                    last = e
                    break
                self._wait(number, e)
        found = self.asked(look, thing, needs)
        if found is None:
            raise last
        return found

    def _wait(self, number: int, error: GithubUnavailable) -> None:
        asked = asked_pause(error)
        wait = self.patience.first * 2**number if asked is None else asked
        if wait > self.patience.most:
            raise error
        self.patience.sleep(wait)

    def own(self, url: str) -> str:
        """An address that an answer gave, where it is this GitHub's: the token is sent to no other.

        Raises:
            Refused: it leads elsewhere.
        """
        ours, theirs = urlsplit(self.api), urlsplit(url)
        uploads = f"uploads.{(ours.hostname or '').removeprefix('api.')}"
        is_api = theirs.netloc == ours.netloc
        if theirs.scheme != ours.scheme or not (is_api or theirs.netloc == uploads):
            raise Refused(
                f"GitHub at `{ours.netloc}` answers with the address of another host: `{said(theirs.netloc)}`",
                hint="Check `GITHUB_API_URL`, and whether a proxy stands between.",
            )
        return url

    def listed(self, found: PaginatedList[_Listed]) -> Iterator[_Listed]:
        """A list, a page at a time as it is read; by number, as an address in an answer may lead anywhere."""
        for number in range(_PAGES):
            page = found.get_page(number)
            yield from page
            if len(page) < _PAGE:
                return

    def writer(self) -> str | None:
        """The name of the token's user; None where it is an app's, as a workflow's own token is.

        Raises:
            GithubUnavailable: GitHub doesn't answer.
        """

        def ask() -> str | None:
            try:
                return self.client.get_user().login
            except GithubException as e:
                if e.status in {403, 404} and not is_limited(e):
                    return None
                raise

        return self.asked(ask, "the token's user")


def is_by(author: NamedUser | Organization | None, writer: str | None) -> bool:
    """Whether something of this author was written by the token of `writer`; see `Edge.writer`."""
    if author is None:
        return False
    return author.type == "Bot" if writer is None else author.login == writer


def connect(repository: str, *, api: str, token: str, patience: Patience | None = None) -> Edge:
    """The repository `owner/name` of the GitHub whose API is at `api`.

    Raises:
        RequestError: the address is none that a token may be sent to.
    """
    patient, address = patience or Patience(), urlsplit(api)
    safe = address.scheme == "https" or address.hostname in _LOOPBACK
    if not safe or address.scheme not in {"https", "http"} or not address.hostname:
        raise RequestError(
            f"`GITHUB_API_URL` is `{said(api)}`, which is no address for a token",
            hint="Write it with `https://`, or unset it.",
        )
    client = Github(
        auth=Auth.Token(token),
        base_url=api.rstrip("/"),
        timeout=patient.timeout,
        user_agent="adapter-merge",
        per_page=_PAGE,
        retry=None,
        seconds_between_requests=None,
        seconds_between_writes=patient.pace,
        lazy=True,
    )
    with translated(f"`{repository}`"):
        repo = client.get_repo(repository)
    return Edge(name=repository, api=api.rstrip("/"), client=client, repo=repo, patience=patient)
