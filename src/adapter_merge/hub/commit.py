"""One commit, made once: an answer that got lost is looked for, never asked for again blindly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from adapter_merge.errors import (
    AdapterMergeError,
    Conflict,
    Gated,
    HubUnavailable,
    NotFound,
    Refused,
)
from adapter_merge.hub.client import Client
from adapter_merge.hub.earlier import differing, earlier
from adapter_merge.hub.make import make_branch, make_repository
from adapter_merge.hub.operations import Operations, once, operations, without_copies
from adapter_merge.hub.standing import Made, access_of, files_at
from adapter_merge.hub.translate import asked_pause, httpx
from adapter_merge.remote import Access, Publication, Sent, page_of

_TRIES = 3
_LOOKS = 3  # for a pull request that may still be in the making


def send(client: Client, publication: Publication, advance: Callable[[int], None]) -> Sent:
    """Make the commit, and read it back.

    Raises:
        Conflict: the branch has moved since the parent.
        Refused: the Hub doesn't take it, or has something else than was sent.
        HubUnavailable: it doesn't answer; whether the commit was made is found out by the next run.
    """
    if publication.create:
        parent = make_repository(client, publication)
    else:
        _require_as_closed(client, publication)
        parent = publication.parent or make_branch(client, publication)
    with _telling(publication):
        made = _made(client, publication, parent, advance)
    files = files_at(client, publication.repo, made.commit)
    access = access_of(client, publication.repo)
    for path in differing(publication, files, strict=not made.found):
        raise Refused(
            f"`{path}` in `{publication.repo}` at {made.commit[:7]} isn't what was sent",
            hint=f"Look at {_page(client, publication, made)}; `adapter-merge revert` takes it back.",
        )
    return Sent(
        commit=made.commit,
        url=_page(client, publication, made),
        access=Access.PRIVATE if access is None else access,
        pull_request=made.pull_request,
        moved=made.moved,
        found=made.found,
    )


def _require_as_closed(client: Client, publication: Publication) -> None:
    """A merge takes hours, in which somebody may have opened the doors."""
    access, decided = access_of(client, publication.repo), publication.access
    if access is not None and decided is not None and access < decided:
        raise Refused(
            f"more people may read `{publication.repo}` now than when this began, so nothing was sent",
            hint="Run the same command again: it says whether they may have the result.",
        )


@contextmanager
def _telling(publication: Publication) -> Iterator[None]:
    """A repository that was made and stays empty is nothing to worry about, but to know of."""
    try:
        try:
            yield
        except (NotFound, Gated) as e:  # it was there when the work began
            raise Refused(e.message, hint=e.hint) from e
    except AdapterMergeError as e:
        if publication.create:
            e.hint = f"{e.hint} `{publication.repo}` was made for it, and may be empty."
        raise


def _page(client: Client, publication: Publication, made: Made) -> str:
    return page_of(client.asked(publication.repo).page, made.commit, made.pull_request)


def _made(
    client: Client, publication: Publication, parent: str, advance: Callable[[int], None]
) -> Made:
    if publication.is_empty:
        return Made(commit=parent, found=True)
    # Bytes are dear: who did the same meanwhile is found before they are sent.
    if (found := earlier(client, publication, parent)) is not None:
        return found
    ready = operations(client, publication, advance)
    made = _persistent(client, publication, parent, ready)
    if made is None:
        ready = without_copies(client, publication, advance, ready)
        made = _persistent(client, publication, parent, ready)
    assert made is not None  # noqa: S101 - only copies are refused that way
    return made if made.found else replace(made, moved=ready.size)


def _persistent(
    client: Client, publication: Publication, parent: str, ready: Operations
) -> Made | None:
    """Try, look, and try again only where a second commit can't come of it; None where a copy is refused."""
    lost: HubUnavailable | None = None
    for number in range(_TRIES):
        try:
            return once(client, publication, parent, ready)
        except Conflict:
            found = earlier(client, publication, parent)
            if found is None:
                raise
            return found if lost is None else replace(found, found=False)
        except HubUnavailable as e:
            lost = e
        if (found := _looked(client, publication, parent, lost)) is not None:
            return replace(found, found=False)
        wait = asked_pause(lost) or client.patience.first * 2**number
        if number + 1 == _TRIES or wait > client.patience.most:
            raise lost
        client.patience.sleep(wait)
    raise AssertionError  # pragma: no cover - the last try returns or raises


def _looked(
    client: Client, publication: Publication, parent: str, lost: HubUnavailable
) -> Made | None:
    """What was made, though no answer told of it; None where it surely wasn't, or a parent guards a second try.

    Raises:
        HubUnavailable: nobody knows, and a second try could make a second one.
    """
    never_left = _never_left(lost)
    looks = 1 if never_left or not publication.pull_request else _LOOKS
    for number in range(looks):
        if number:
            client.patience.sleep(client.patience.first * 2**number)
        try:
            found = earlier(client, publication, parent)
        except HubUnavailable as e:
            raise _unknown(publication) from e
        if found is not None:
            return found
    if publication.pull_request and not never_left:
        raise _unknown(publication) from lost
    return None


def _never_left(lost: HubUnavailable) -> bool:
    """Whether the commit surely wasn't made: no connection, an answer that says so, or one asked before it."""
    cause = lost.__cause__
    if isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return True
    if getattr(getattr(cause, "response", None), "status_code", None) == 429:
        return True
    with suppress(AttributeError, RuntimeError):  # what else an error may be knows no request
        request = cause.request if isinstance(cause, httpx.RequestError) else cause.response.request  # type: ignore[union-attr]
        return "/commit/" not in request.url.path
    return False


def _unknown(publication: Publication) -> HubUnavailable:
    what = "pull request" if publication.pull_request else "commit"
    return HubUnavailable(
        f"the Hub's answer got lost: whether `{publication.repo}` has the {what} isn't known",
        hint="Run the same command again later: it looks for what was made before it makes anything.",
    )
