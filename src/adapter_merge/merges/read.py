"""Read merges.yaml: where it is wrong the error says on which line, in which entry, with which key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from adapter_merge.errors import RequestError
from adapter_merge.merges.document import Document, Misread, parsed
from adapter_merge.merges.spec import Defaults, Entry, Merges, Terms, Wanted, kebab, options
from adapter_merge.merges.wording import sentence
from adapter_merge.request import AdapterRef, RepoRef, Request

MERGES = Path("merges.yaml")
_MOST_BYTES = 1 << 20
_PLACE = re.compile(r"\{([^{}]*)\}")
_HINT = "`adapter-merge schema merges` has every key."


def read_merges(path: Path) -> tuple[Wanted, ...]:
    """The entries of a file, complete.

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
    return wanted_of(content, name=path.name)


def wanted_of(content: bytes, *, name: str = MERGES.name) -> tuple[Wanted, ...]:
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
        merges = Merges.model_validate(document.value)
    except ValidationError as e:
        raise _wrong(e, document, name) from e
    found = tuple(_wanted(merges, n, document, name) for n in range(len(merges.merges)))
    _refuse_twins(found, document, name)
    return found


def _wanted(merges: Merges, index: int, document: Document, name: str) -> Wanted:
    entry, defaults = merges.merges[index], merges.defaults
    terms = {
        f for f in defaults.model_fields_set | entry.model_fields_set if f in Terms.model_fields
    }
    said = {f: getattr(entry if f in entry.model_fields_set else defaults, f) for f in terms}
    try:
        target = _target(entry, defaults)
        asked = {**options(defaults), **options(entry), "adapters": entry.adapter}
        request = Request.model_validate(asked | ({} if target is None else {"to": target}))
    except ValidationError as e:
        raise _wrong(e, document, name, within=("merges", index)) from e
    except ValueError as e:
        place = f"{_place(document, name, ('merges', index, 'to'))}"
        raise RequestError(f"{place}: `to`: {e}", hint=_HINT) from e
    _refuse_own(request, entry, _place(document, name, ("merges", index, "supersedes")))
    return Wanted(
        number=index + 1,
        request=request,
        terms=Terms.model_validate({kebab(f): v for f, v in said.items()}),
        bases=merges.bases,
        supersedes=entry.supersedes,
    )


def _refuse_own(request: Request, entry: Entry, place: str) -> None:
    own = {request.target.repo: "target", **{a.ref.repo: "adapter" for a in request.adapters}}
    if entry.supersedes is not None and entry.supersedes in own:
        what = own[entry.supersedes]
        raise RequestError(f"{place}: `supersedes`: it is the {what} itself", hint=_HINT)


def _target(entry: Entry, defaults: Defaults) -> RepoRef | None:
    """Where the result goes, with the placeholders filled in; None where nothing says so.

    Raises:
        ValueError: they can't be, or it is no target.
    """
    text = defaults.to if entry.to is None else entry.to
    if text is None:
        return None
    places = set(_PLACE.findall(text))
    known = _names(entry.adapter)
    if places - known.keys():
        unknown = min(places - known.keys())
        message = (
            f"`{{{unknown}}}` in `{text}` is nothing that the adapter has; write the target out"
            if unknown in {"owner", "name"}
            else f"`{text}` may hold `{{owner}}` and `{{name}}`, not `{{{unknown}}}`"
        )
        raise ValueError(message)
    return RepoRef.model_validate(_PLACE.sub(lambda m: known[m[1]], text))


def _names(adapters: Sequence[AdapterRef]) -> dict[str, str]:
    """What placeholders stand for; from several adapters no name follows."""
    if len(adapters) > 1:
        return {}
    ref = adapters[0].ref
    if ref.repo is None:
        return {"name": ref.name}
    owner, slash, name = ref.repo.rpartition("/")
    return {"name": name, **({"owner": owner} if slash else {})}


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
    inside = where[2:4] if where[:1] == ("merges",) and len(where) > 1 else where[:4]
    key = next((part for part in reversed(inside) if isinstance(part, str)), None)
    said = sentence(first, Merges if len(where) == 1 else Entry)
    if key is not None and first["type"] != "extra_forbidden":
        said = f"`{key}`: {said}"
    return RequestError(f"{_place(document, name, where)}: {said}", hint=_HINT)


def _place(document: Document, name: str, where: tuple[str | int, ...]) -> str:
    """`merges.yaml:7: entry 3 (`org/adapter`)`."""
    line = document.line(where)
    if len(where) < 2 or where[0] != "merges" or not isinstance(where[1], int):
        return f"{name}:{line}"
    entry = document.at(where[:2])
    adapter = entry.get("adapter") if isinstance(entry, dict) else None
    first = adapter[0] if isinstance(adapter, list) and adapter else adapter
    label = f" (`{first[:100]}`)" if isinstance(first, str) else ""
    return f"{name}:{line}: entry {where[1] + 1}{label}"
