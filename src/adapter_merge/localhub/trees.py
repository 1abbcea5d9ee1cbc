"""Trees, as pure values: what a folder lists, what a path is, what a merge makes of two."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping

from adapter_merge.localhub.repos import Commit, File, Tree, iso

Entry = dict[str, object]


def listing(tree: Tree, folder: str, *, recursive: bool) -> Iterator[Entry]:
    """The files and folders below a folder, by name."""
    start = f"{folder}/" if folder else ""
    seen: set[str] = set()
    for path in sorted(path for path in tree if path.startswith(start)):
        parts = path[len(start) :].split("/")
        for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
            above = start + "/".join(parts[:depth])
            if above not in seen:
                seen.add(above)
                yield folder_entry(above)
        if recursive or len(parts) == 1:
            yield file_entry(path, tree[path])


def folder_entry(path: str) -> Entry:
    """A folder as the API shows it."""
    oid = hashlib.sha1(path.encode(), usedforsecurity=False).hexdigest()
    return {"type": "directory", "oid": oid, "size": 0, "path": path}


def file_entry(path: str, file: File) -> Entry:
    """A file as the API shows it."""
    entry: Entry = {"type": "file", "oid": file.oid, "size": file.size, "path": path}
    if file.sha256 is not None:
        entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 134}
    if file.xet is not None:
        entry["xetHash"] = file.xet
    return entry


def find(tree: Tree, path: str) -> Entry | None:
    """What a path is, a file or a folder."""
    bare = path.rstrip("/")
    if bare in tree:
        return file_entry(bare, tree[bare])
    inside = any(name.startswith(f"{bare}/") for name in tree)
    return folder_entry(bare) if inside else None


def expanded(entry: Entry, name: str, get: Callable[[str], Commit]) -> Entry:
    """An entry with the commit that changed it last; `name` is where to look from, `get` reads a commit."""
    path = str(entry["path"])
    while (commit := get(name)).parents and _same(path, commit.tree, get(commit.parents[0]).tree):
        name = commit.parents[0]
    last = {"id": name, "title": commit.title, "date": iso(commit.date)}
    safe = {"status": "safe", "avScan": None, "pickleImportScan": None}
    return {**entry, "lastCommit": last, "securityFileStatus": safe}


def _same(path: str, one: Tree, other: Tree) -> bool:
    if path in one:
        return one[path] == other.get(path)
    return _below(path, one) == _below(path, other)


def _below(folder: str, tree: Tree) -> Mapping[str, File]:
    return {name: file for name, file in tree.items() if name.startswith(f"{folder}/")}


def merged(base: Tree, ours: Tree, theirs: Tree) -> Tree:
    """Our tree with what they changed since the base."""
    changed = {path: file for path, file in theirs.items() if base.get(path) != file}
    gone = base.keys() - theirs.keys()
    return {path: file for path, file in {**ours, **changed}.items() if path not in gone}


def conflicts(base: Tree, ours: Tree, theirs: Tree) -> list[str]:
    """The paths that both changed since the base, each in its way."""
    paths = base.keys() | ours.keys() | theirs.keys()
    return sorted(
        path
        for path in paths
        if base.get(path) != ours.get(path)
        and base.get(path) != theirs.get(path)
        and ours.get(path) != theirs.get(path)
    )
