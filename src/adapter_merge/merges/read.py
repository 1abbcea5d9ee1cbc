"""Read merges.yaml: where it is wrong the error says on which line, in which entry, with which key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from adapter_merge.errors import RequestError
from adapter_merge.merges.document import Document, Misread, parsed
from adapter_merge.merges.spec import Entry, Merges, Watch, kebab
from adapter_merge.merges.wanted import Roster, Untargeted, Wanted, Watched, complete
from adapter_merge.merges.wording import sentence
from adapter_merge.request import Request

MERGES = Path("merges.yaml")
_MOST_BYTES = 1 << 20
# The lists of a file: what messages call an item, and the key that it is known by.
_LISTS: Mapping[str | int, tuple[str, str]] = {
    "merges": ("entry", "adapter"),
    "watch": ("watch", "owner"),
}
_HINT = "`adapter-merge schema merges` has every key."


def read_merges(path: Path) -> Roster:
    """What a file asks for, complete.

    Raises:
        RequestError: it can't be read, or says something that can't be done.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as e:
        raise RequestError(
            f"`{path}` can't be read: {e.strerror}",
            hint="Name the file: `adapter-merge sync merges.yaml`.",
        ) from e
    if len(content) > _MOST_BYTES:
        raise RequestError(
            f"`{path}` has more than {_MOST_BYTES:,} bytes", hint="Cut it into several files."
        )
    return roster_of(content, name=path.name)


def roster_of(content: bytes, *, name: str = MERGES.name) -> Roster:
    """The same of a file's bytes; `name` is what messages call it.

    Raises:
        RequestError: it says something that can't be done.
    """
    try:
        document = parsed(content.decode())
    except UnicodeDecodeError as e:
        raise RequestError(f"{name} is not UTF-8", hint="Save it as UTF-8.") from e
    except Misread as e:
        raise RequestError(f"{name}:{e.line}: {e.what}", hint=_HINT) from e
    try:
        file = Merges.model_validate(document.value)
    except ValidationError as e:
        raise _wrong(e, document, name) from e
    entries = tuple(_entry(file, n, document, name) for n in range(len(file.merges)))
    _refuse_twins(entries, document, name)
    watches = tuple(_watched(file, n, document, name) for n in range(len(file.watch)))
    return Roster(entries=entries, watches=watches)


def _entry(file: Merges, index: int, document: Document, name: str) -> Wanted:
    entry, where = file.merges[index], ("merges", index)
    with _placed(document, name, where):
        found = complete(entry, file, number=index + 1)
    _refuse_own(found.request, entry, _place(document, name, (*where, "supersedes")))
    return found


def _watched(file: Merges, index: int, document: Document, name: str) -> Watched:
    """A watch, tried with a name that any repository could have: what is wrong shows before one is there."""
    watch, where = file.watch[index], ("watch", index)
    found = Watched(watch=watch, file=file)
    with _placed(document, name, where):
        if "{name}" not in (watch.to or file.defaults.to or ""):
            message = "it has to be there and to hold `{name}`, as in `{owner}/{name}-merged`"
            raise Untargeted(message)
        tried = found.wanted(adapter := f"{watch.owner}/name", number=1)
        if str(tried.request.target.repo).casefold() == adapter.casefold():
            message = "each target would be the adapter itself"
            raise Untargeted(message)
    return found


@contextmanager
def _placed(document: Document, name: str, where: tuple[str | int, ...]) -> Iterator[None]:
    """Say of what is wrong within in which entry that is."""
    try:
        yield
    except ValidationError as e:
        raise _wrong(e, document, name, within=where) from e
    except Untargeted as e:
        raise RequestError(
            f"{_place(document, name, (*where, 'to'))}: `to`: {e}", hint=_HINT
        ) from e


def _refuse_own(request: Request, entry: Entry, place: str) -> None:
    own = {request.target.repo: "target", **{a.ref.repo: "adapter" for a in request.adapters}}
    if entry.supersedes is not None and entry.supersedes in own:
        what = own[entry.supersedes]
        raise RequestError(f"{place}: `supersedes`: it is the {what} itself", hint=_HINT)


def _refuse_twins(found: tuple[Wanted, ...], document: Document, name: str) -> None:
    seen: dict[tuple[str, str | None], int] = {}
    for wanted in found:
        ref = wanted.request.target
        where = str(ref.folder.expanduser().resolve()) if ref.folder else str(ref.repo).casefold()
        first = seen.setdefault((where, wanted.request.branch), wanted.number)
        if first != wanted.number:
            place = _place(document, name, ("merges", wanted.number - 1))
            raise RequestError(
                f"{place}: the target `{wanted.label}` is that of entry {first} too",
                hint="Give each entry a target of its own, or name both adapters in one entry.",
            )


def _wrong(
    error: ValidationError, document: Document, name: str, within: tuple[str | int, ...] = ()
) -> RequestError:
    # A key that isn't known is mostly the one that is missing.
    found = error.errors(include_url=False)
    first = min(found, key=lambda e: e["type"] != "extra_forbidden")
    where = (*within, *(kebab(p) if isinstance(p, str) else p for p in first["loc"]))
    where = tuple("adapter" if part == "adapters" else part for part in where)
    inside = where[2:4] if where[:1] and where[0] in _LISTS and len(where) > 1 else where[:4]
    key = next((part for part in reversed(inside) if isinstance(part, str)), None)
    kind = Merges if len(where) == 1 else Watch if where[:1] == ("watch",) else Entry
    said = sentence(first, kind)
    if key is not None and first["type"] != "extra_forbidden":
        said = f"`{key}`: {said}"
    return RequestError(f"{_place(document, name, where)}: {said}", hint=_HINT)


def _place(document: Document, name: str, where: tuple[str | int, ...]) -> str:
    """`merges.yaml:7: entry 3 (`org/adapter`)`, or `watch 1 (`org`)`."""
    line = document.line(where)
    if len(where) < 2 or where[0] not in _LISTS or not isinstance(where[1], int):
        return f"{name}:{line}"
    kind, known_by = _LISTS[where[0]]
    item = document.at(where[:2])
    value = item.get(known_by) if isinstance(item, dict) else None
    first = value[0] if isinstance(value, list) and value else value
    label = f" (`{first[:100]}`)" if isinstance(first, str) else ""
    return f"{name}:{line}: {kind} {where[1] + 1}{label}"
