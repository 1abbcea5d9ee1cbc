"""Folders on this machine that may hold a base: beside the adapter, here, and in the Hub's cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from adapter_merge.bases.candidates import Candidate
from adapter_merge.bases.fit import fits
from adapter_merge.bases.search import AUTO, Search
from adapter_merge.repository import Folder


def there(text: str) -> Path | None:
    """What stands at a path that anybody wrote; None where nothing does."""
    try:
        path = Path(text).expanduser().absolute()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):  # too long, nobody's home, or no path at all
        return None


def fitting(search: Search, candidates: tuple[Candidate, ...]) -> tuple[str, ...]:
    """The folders that may be the base and fit every adapter, as refs that can be written.

    Looked at are the paths that are written, and what is called like a candidate in the current folder,
    beside the adapters and beside the written paths. A path that an adapter on a Hub wrote is a path of
    somebody else's machine: not even its end leads to a folder of this one.
    """
    here = Path.cwd().resolve()
    roots = [a.pinned.root for a in search.adapters if a.pinned.repo is None]
    written = list(_written_paths(search))
    themselves = [path for text in written if (path := there(text)) is not None]
    homes = [home for text in written if (home := there(str(Path(text).parent))) is not None]
    places = dict.fromkeys(p.resolve() for p in (here, *(root.parent for root in roots), *homes))
    named = [c for c in candidates if not c.stranger or _is_id(c)]
    return _fitting((*themselves, *_called(named, places)), search)


def _is_id(candidate: Candidate) -> bool:
    return candidate.base.repo is not None and not candidate.base.path


def cached(search: Search, candidates: tuple[Candidate, ...]) -> tuple[str, ...]:
    """The same of what the Hub's cache on this machine holds of the candidates."""
    cache = search.around.cache
    if cache is None:
        return ()
    return _fitting([folder for c in candidates for folder in _cached(c, cache)], search)


def _fitting(folders: Iterable[Path], search: Search) -> tuple[str, ...]:
    here = Path.cwd().resolve()
    roots = [a.pinned.root for a in search.adapters if a.pinned.repo is None]
    others = {p.resolve() for p in (*roots, there(search.request.target.text)) if p is not None}
    found: dict[Path, str] = {}
    for folder in folders:
        real = folder.resolve()
        if real not in others and real not in found and fits(Folder(folder), search.adapters):
            found[real] = _ref(folder, here)
    return tuple(found.values())


def free_folder(search: Search, name: str) -> str:
    """Where a base called `name` can be downloaded to without coming into another folder."""
    folder, target = Path(name), search.request.target.folder
    taken = target is not None and target.expanduser().resolve() == folder.resolve()
    # `hf download` leaves its notes there, and goes on with what it began.
    ours = (folder / ".cache" / "huggingface").is_dir()
    return f"./{name}-base" if taken or (folder.exists() and not ours) else f"./{name}"


def _written_paths(search: Search) -> Iterator[str]:
    """What request and adapters wrote, where it could be a path."""
    given = search.request.base
    for text in (
        None if given is None or given.text == AUTO else given.text,
        *(a.config.base_model_name_or_path for a in search.adapters if a.pinned.repo is None),
    ):
        if text is not None and text.strip(" ./~"):
            yield text.strip()


def _called(candidates: Iterable[Candidate], places: Iterable[Path]) -> Iterator[Path]:
    # Tools change the case of ids: `unsloth/llama-3.2-1b` was published as `Llama-3.2-1B`.
    for place in places:
        for candidate in candidates:
            name, repo = candidate.base.name, candidate.base.repo
            yield from _below(place, name)
            if repo is not None and "/" in repo:
                owner = repo.partition("/")[0]
                yield from (
                    deep for folder in _below(place, owner) for deep in _below(folder, name)
                )


def _below(place: Path, name: str) -> list[Path]:
    return [folder for folder in _folders(place) if folder.name.lower() == name.lower()]


def _folders(place: Path) -> list[Path]:
    try:
        return sorted(path for path in place.iterdir() if path.is_dir())
    except OSError:
        return []


def _cached(candidate: Candidate, cache: Path) -> Iterator[Path]:
    """Snapshots in the Hub's cache; of a repository the one that its revision points to, where it says."""
    wanted = candidate.title.lower()
    for folder in _folders(cache):
        kind, _, repo = folder.name.lower().partition("--")
        whole = repo.replace("--", "/")
        # A lone name may have any owner; the headers decide.
        same = whole == wanted or ("/" not in wanted and whole.endswith(f"/{wanted}"))
        if kind == "models" and same:
            yield from _snapshots(folder, candidate.revision or "main")


def _snapshots(folder: Path, revision: str) -> list[Path]:
    try:
        pinned = (folder / "refs" / revision).read_text().strip()
    except (OSError, UnicodeDecodeError):
        pinned = revision
    snapshots = _folders(folder / "snapshots")
    return [path for path in snapshots if path.name == pinned] or snapshots


def _ref(folder: Path, here: Path) -> str:
    return f"./{folder.relative_to(here)}" if folder.is_relative_to(here) else str(folder)
