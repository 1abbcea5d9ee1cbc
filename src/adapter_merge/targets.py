"""A target as it stands: a folder, or a repository on a Hub and the folder in which its result is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from adapter_merge.errors import Refused, RequestError
from adapter_merge.folder import all_files, read_receipt
from adapter_merge.ports import Connect, Surroundings
from adapter_merge.readme import README
from adapter_merge.remote import UNLISTED, RemoteTarget
from adapter_merge.request import RepoRef, Request
from adapter_merge.sources import Target, TargetState
from adapter_merge.weights import write_error
from adapter_merge.work import standing_card, steady


def target_of(request: Request, around: Surroundings, *, rewritten: bool) -> Target:
    """The target as it stands; what people wrote in it has to be readable only where it is written anew.

    Raises:
        RequestError: it can't be one.
        AdapterMergeError: a Hub says no, or nothing.
    """
    ref = request.target
    _refuse_either(ref)
    if ref.folder is None:
        return _remote(request, around, rewritten=rewritten)
    # A link is followed, so that renames happen where it leads.
    return _local(ref.text, ref.folder.expanduser().absolute().resolve(), rewritten=rewritten)


def remote_of(ref: RepoRef, branch: str | None, around: Surroundings) -> RemoteTarget:
    """A target on a Hub as it stands, where nothing is made for it here.

    Raises:
        RequestError: it can't be one.
        AdapterMergeError: the Hub says no, or nothing.
    """
    _refuse_either(ref)
    if ref.folder is not None:
        raise RequestError(
            f"`{ref.text}` is a folder, and only a repository on a Hub is published to",
            hint="Write its id: `org/name`.",
        )
    connect, _ = _asked(ref, around.hub)
    return connect().target(ref, branch)


def _refuse_either(ref: RepoRef) -> None:
    if ref.folder is None and Path(ref.text).is_dir():
        raise RequestError(
            f"`{ref.text}` is a folder here, and could be a Hub id",
            hint=f"Write `./{ref.text}` for the folder, or `hf://{ref.text}` for the repository.",
        )


def _remote(request: Request, around: Surroundings, *, rewritten: bool) -> Target:
    ref = request.target
    connect, repo = _asked(ref, around.hub)
    place = request.work_dir or around.work or Path.cwd()
    # No id has `--` or `@`, and no branch has `@`: what differs gets a folder of its own.
    branch = f"@{request.branch.replace('/', '@')}" if request.branch else ""
    root = place.expanduser().absolute().resolve() / f"{repo.replace('/', '--')}{branch}"
    local = _local(ref.text, root, rewritten=rewritten)
    remote = connect().target(ref, request.branch)
    if rewritten:
        require_whole_card(remote)
    return replace(local, remote=remote)


def require_whole_card(remote: RemoteTarget) -> None:
    """What people wrote in the card of a result of ours goes into the next one, so all of it has to be known.

    Raises:
        Refused: some of it can't be taken over.
    """
    card = remote.readme
    if remote.receipt is not None and card is not None and card.lacks is not None:
        raise Refused(
            f"`{README}` of `{remote.repo}` can't be taken over into the new result: {card.lacks}",
            hint="Mend it there, or move it to a file of another name; it is people's, so it is not dropped.",
        )


def _asked(ref: RepoRef, hub: Connect | None) -> tuple[Connect, str]:
    """The Hub to ask, and the id of a repository that results can go to."""
    repo = ref.repo or ""
    if "/" not in repo:
        raise RequestError(
            f"`{ref.text}` as a target on a Hub needs an owner",
            hint=f"Write `./{ref.text}` for a folder, or `org/{ref.text}` for a repository.",
        )
    if ref.revision is not None or ref.subfolder is not None:
        part = "revision" if ref.revision is not None else "subfolder"
        raise RequestError(
            f"`{ref.text}` as a target names a {part}",
            hint=f"A result takes a whole repository: `--to {repo}`, on another branch with `--branch`.",
        )
    if hub is None:
        raise RequestError(
            f"the target `{ref.text}` is a Hub id, and there is no Hub to ask",
            hint=f"Merge into a folder with `--to ./{ref.name}`.",
        )
    return hub, repo


def _local(source: str, root: Path, *, rewritten: bool) -> Target:
    try:
        if root.exists() and not root.is_dir():
            raise RequestError(
                f"the target `{source}` is a file", hint="Name a folder with `--to`."
            )
        with steady(root):
            return _standing(source, root, rewritten=rewritten)
    except OSError as e:
        raise write_error(e, name=source) from e


def _standing(source: str, root: Path, *, rewritten: bool) -> Target:
    sizes = all_files(root)
    receipt = read_receipt(root) if sizes else None
    unlisted = set(sizes) - set(receipt.files) - UNLISTED if receipt else set()
    if not sizes:
        state = TargetState.ABSENT
    else:
        state = TargetState.OURS if receipt and not unlisted else TargetState.FOREIGN
    ours = state is TargetState.OURS
    return Target(
        source=source,
        root=root,
        state=state,
        receipt=receipt,
        sizes=sizes if receipt is not None else {},
        readme=standing_card(root) if ours and rewritten else None,
    )
