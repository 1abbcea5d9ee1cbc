"""A repository or a branch that isn't there yet, made empty, with its doors set before anything is in it."""

from __future__ import annotations

from adapter_merge.errors import Conflict, HubUnavailable, Refused
from adapter_merge.hub.client import Client
from adapter_merge.hub.standing import MAIN, access_of, files_at, history, refs_of
from adapter_merge.hub.translate import translated
from adapter_merge.remote import OF_THE_HUB, Access, Publication


def make_repository(client: Client, publication: Publication) -> str:
    """Make the repository; the result is its first commit.

    Raises:
        Conflict: it was made meanwhile.
        Refused: it may not be made, or can be read by more people than it should be.
    """
    repo = publication.repo
    _create(client, publication)
    if publication.gated:

        def gate() -> None:
            with translated(client.asked(repo, write=True)):
                # Nobody here knows how strictly the sources are gated.
                client.writer.update_repo_settings(repo, gated="manual")

        client.patience.persist(gate)
    _require_closed(client, publication)
    head = refs_of(client, repo).branches.get(MAIN)
    if head is None or files_at(client, repo, head).keys() - OF_THE_HUB:
        raise Conflict(
            f"`{repo}` was made by somebody else meanwhile", hint="Run the same command again."
        )
    return make_branch(client, publication) if publication.branch not in {None, MAIN} else head


def _create(client: Client, publication: Publication) -> None:
    """Where an answer gets lost it may be there nevertheless; whether it is empty is looked at afterwards."""
    repo, lost = publication.repo, False

    def act() -> None:
        nonlocal lost
        try:
            with translated(client.asked(repo, write=True)):
                client.writer.create_repo(repo, private=publication.private)
        except HubUnavailable:
            lost = True
            if access_of(client, repo) is None:
                raise
        except Conflict as e:
            if access_of(client, repo) is None:
                raise Refused(
                    f"`{repo}` stands already, and this token may not see it",
                    hint="Use a token that may write there, or name another repository with `--to`.",
                ) from e
            if not lost:
                raise

    client.patience.persist(act)


def _require_closed(client: Client, publication: Publication) -> None:
    """A Hub that doesn't know a setting leaves it out in silence."""
    access = access_of(client, publication.repo) or Access.OPEN
    if publication.private and access is not Access.PRIVATE:
        raise _open(publication, "private")
    if publication.gated and access is Access.OPEN:
        raise _open(publication, "gated")


def _open(publication: Publication, what: str) -> Refused:
    return Refused(
        f"the Hub has made `{publication.repo}`, but not {what}; it is empty",
        hint=f"Make it {what} in its settings, or delete it, and run again.",
    )


def make_branch(client: Client, publication: Publication) -> str:
    """Make the branch, without the files of others; the result is the commit that it starts from.

    Raises:
        Refused: the repository has no empty commit to start from.
        Conflict: the branch was made meanwhile.
    """
    repo, branch = publication.repo, publication.branch or MAIN
    first = _first_commit(client, repo)
    try:
        with translated(client.asked(repo, revision=branch, write=True)):
            client.writer.create_branch(repo, branch=branch, revision=first)
    except HubUnavailable:
        if refs_of(client, repo).branches.get(branch) != first:
            raise
    return first


def _first_commit(client: Client, repo: str) -> str:
    main = refs_of(client, repo).branches.get(MAIN)
    commits = [] if main is None else [commit.id for commit in history(client, repo, main)]
    if not commits or files_at(client, repo, commits[-1]).keys() - OF_THE_HUB:
        raise Refused(
            f"`{repo}` has no empty first commit that a new branch could start from",
            hint="Make the branch yourself and take its files away, or leave `--branch` out.",
        )
    return commits[-1]
