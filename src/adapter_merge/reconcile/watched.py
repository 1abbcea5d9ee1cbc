"""What watches find: an entry for each adapter of an owner, beside those that the file names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from adapter_merge.errors import RequestError, SourceError
from adapter_merge.folder import ADAPTER_CONFIG
from adapter_merge.merges import Roster, Wanted, Watched
from adapter_merge.ports import Hub, Surroundings
from adapter_merge.receipt import RECEIPT_NAME
from adapter_merge.remote import Model
from adapter_merge.request import RepoRef

MOST_WATCHED = 1_000  # adapters of one watch


def expand(roster: Roster, around: Surroundings) -> tuple[Wanted, ...]:
    """All entries: the file's own, then those of its watches, by name; a Hub is only asked where something is watched.

    Results of ours, targets, and adapters that an entry names are no adapters to be found. What is found and can't be merged
    has its reason in `skip`.

    Raises:
        AdapterMergeError: an owner's repositories can't be listed.
    """
    if not roster.watches:
        return roster.entries
    if around.hub is None:
        raise RequestError(
            "owners are watched, and there is no Hub to ask", hint="Take `watch` out of the file."
        )
    hub, found = around.hub(), list[_Found]()
    for number, watched in enumerate(roster.watches, start=1):
        found.extend(_found(watched, hub, f"watch {number} of `{watched.watch.owner}`"))
    return _joined(roster.entries, found)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """The entry of one repository, and the watch that found it."""

    repo: str
    wanted: Wanted
    watch: str


def _found(watched: Watched, hub: Hub, watch: str) -> Iterator[_Found]:
    """What one watch finds, by name."""
    for number, find in enumerate(islice(_finds(watched, hub), MOST_WATCHED + 1)):
        skip = find.skip
        if number == MOST_WATCHED:
            skip = f"{watch} finds more than {MOST_WATCHED:,} adapters, and none from this one on is looked at; cut it with `match`"
        wanted = replace(watched.wanted(find.repo, number=0), skip=skip)
        yield _Found(repo=find.repo.casefold(), wanted=wanted, watch=watch)


def _joined(entries: tuple[Wanted, ...], found: list[_Found]) -> tuple[Wanted, ...]:
    """All of them; an adapter and a target each belong to the first that has them."""
    named = {str(a.ref.repo).casefold() for e in entries for a in e.request.adapters}
    targets = {_target(wanted)[0] for wanted in (*entries, *(f.wanted for f in found))}
    joined = {_target(entry): entry for entry in entries}
    for find in found:
        if find.repo in named or find.repo in targets:
            continue
        named.add(find.repo)
        target = _target(find.wanted)
        if (first := joined.get(target)) is not None:
            note = f"`{find.wanted.request.adapters[0].ref.text}`, which {find.watch} finds, has this target too, and is left out"
            joined[target] = replace(first, notes=(*first.notes, note))
        else:
            joined[target] = replace(find.wanted, number=len(joined) + 1)
    return tuple(joined.values())


def _target(wanted: Wanted) -> tuple[str, str | None]:
    ref = wanted.request.target
    return ref.text if ref.repo is None else ref.repo.casefold(), wanted.request.branch


@dataclass(frozen=True, kw_only=True, slots=True)
class _Find:
    """An adapter of a watched owner; `skip` is why it can't be merged."""

    repo: str
    skip: str | None = None


def _finds(watched: Watched, hub: Hub) -> Iterator[_Find]:
    """The owner's adapters that the watch takes, by name."""
    owned = sorted(hub.models(watched.watch.owner), key=lambda model: model.repo.casefold())
    for model in owned:
        if watched.watch.takes(model.repo.partition("/")[2]):
            found = _find(model, hub)
            if found is not None:
                yield found


def _find(model: Model, hub: Hub) -> _Find | None:
    """The repository as an adapter; None where it is none."""
    files = model.files
    if files is None:
        try:
            files = tuple(hub.open(RepoRef.model_validate(f"hf://{model.repo}")).files)
        except SourceError as e:
            return _Find(repo=model.repo, skip=e.message)
    if RECEIPT_NAME in files:
        return None
    if ADAPTER_CONFIG in files:
        return _Find(repo=model.repo)
    inside = sorted(path for path in files if path.endswith(f"/{ADAPTER_CONFIG}"))
    if not inside:
        return None
    folder = inside[0].removesuffix(f"/{ADAPTER_CONFIG}")
    skip = f"`{model.repo}` has adapters in folders alone, such as `{folder}`; an entry with `adapter: {model.repo}/{folder}` merges one"
    return _Find(repo=model.repo, skip=skip)
