"""Python that a repository brings and its configs name: who may have it in a result. None of it is ever run here.

Source of the names: transformers 5.23 `dynamic_module_utils.py`, which loads a module and what it imports
relatively, all from one folder; `org/name--module.Class` is code of another repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from adapter_merge.errors import NotFound, RemoteCode
from adapter_merge.folder import parse_json
from adapter_merge.layouts.repo import Repo
from adapter_merge.plan import Change, SideFile
from adapter_merge.request import RepoRef
from adapter_merge.sources import Base, Sources

_MAP, _CONFIG = "auto_map", "config.json"
_CONFIGS = (
    _CONFIG,
    "tokenizer_config.json",
    "processor_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
)
_IMPORT = re.compile(r"^\s*(?:from\s+\.(\w+)\s+import\b|import\s+\.(\w+)\s*$)", re.MULTILINE)


def code_of(repo: Repo) -> frozenset[str]:
    """The Python files that its configs name, with those that they import from beside them; nothing is run.

    Raises:
        Corrupt: a config isn't valid, or a file is no text.
    """
    waiting = {m for path in _CONFIGS for m in _modules(repo.object(path).get(_MAP))}
    found: set[str] = set()
    while waiting:
        path = f"{waiting.pop()}.py"
        if path in repo.files and path not in found:
            found.add(path)
            waiting |= {a or b for a, b in _IMPORT.findall(repo.text(path))}
    return frozenset(found)


def require_leave(base: Base, wanted: RepoRef | None, *, allowed: bool) -> None:
    """Refuse a base with code of its own, unless `allowed`, and the code can't change.

    Who names the base in the request, as `wanted`, names the commit; what an adapter's config says is a
    stranger's choice. A folder is pinned by the digests of its files.

    Raises:
        RemoteCode: it isn't allowed, isn't pinned, or lies in another repository.
        NotFound: a file that the config names isn't there.
    """
    pinned, named = base.pinned, base.config.get(_MAP)
    if not named and not base.code:
        return
    where = f"`{_MAP}` in `{_CONFIG}`" if named else f"`{min(base.code)}`"
    what = f"the base `{pinned.source}` brings Python code of its own ({where})"
    away = sorted(_elsewhere(named))
    if away:
        raise RemoteCode(
            f"{what}, some of it from another repository, which no commit pins: `{away[0]}`",
            hint="Such a base is refused; take one that holds its code itself.",
        )
    if pinned.commit is not None and (wanted is None or wanted.revision != pinned.commit):
        ref = f"{pinned.repo}@{pinned.commit}" + (
            f"/{pinned.subfolder}" if pinned.subfolder else ""
        )
        raise RemoteCode(
            f"{what}, and nothing in the request pins it",
            hint=f"Read that code, then say which commit you read: `--base {ref} --allow-remote-code`. "
            "It is copied, and never run here.",
        )
    if not allowed:
        raise RemoteCode(
            what,
            hint="Read that code, then run the same command with `--allow-remote-code`: it is copied, and never "
            "run here. Or take a base whose class is part of transformers.",
        )
    missing = sorted({f"{m}.py" for m in _modules(named)} - base.code)
    if missing:
        raise NotFound(
            f"`{_CONFIG}` of the base `{pinned.source}` names code that isn't there: `{missing[0]}`",
            hint="Take a revision that has it; nobody could load the result.",
        )


def refuse_code_of_adapters(files: tuple[SideFile, ...], sources: Sources) -> None:
    """Refuse a config that comes from an adapter and names code: an adapter's is never carried.

    Where it names what the base's own file names, the base's code is meant.

    Raises:
        RemoteCode: there is one.
    """
    base = Repo.of(sources.base)
    by_source = {a.pinned.source: a for a in sources.adapters}
    for file in files:
        if file.origin not in by_source or file.path not in _CONFIGS:
            continue
        named = _map_of(file)
        if named and named != base.object(file.path).get(_MAP):
            raise RemoteCode(
                f"`{file.path}` of the adapter `{file.origin}` names Python code (`{_MAP}`)",
                hint=f"Code of an adapter is never carried: take `{_MAP}` out of that file.",
            )


def carried(base: Base) -> Iterator[Change]:
    """What a result says of code that it has."""
    if base.code:
        yield Change(
            subject="Python code of the base",
            before=None,
            after=", ".join(sorted(base.code)),
            why="`--allow-remote-code`: copied and not run; who loads the result with `trust_remote_code` runs it",
        )


def _map_of(file: SideFile) -> object:
    content = file.content or (file.source.read_bytes() if file.source is not None else b"")
    value = parse_json(content, name=f"`{file.path}`")
    return value.get(_MAP) if isinstance(value, Mapping) else None


def _references(value: object) -> Iterator[str]:
    """Every `module.Class` in an `auto_map`, whose values are such, or lists of them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (r for v in value.values() for r in _references(v))
    elif isinstance(value, list):
        yield from (r for v in value for r in _references(v))


def _elsewhere(value: object) -> Iterator[str]:
    return (r for r in _references(value) if "--" in r)


def _modules(value: object) -> Iterator[str]:
    return (r.partition(".")[0] for r in _references(value) if "--" not in r)
