from __future__ import annotations

import pytest

from adapter_merge.localhub.repos import Commit, File, Tree
from adapter_merge.localhub.trees import conflicts, expanded, find, listing, merged


def tree(**files: str) -> Tree:
    """A tree whose names have `_` for `/` and whose files are one character."""
    return {name.replace("_", "/"): File(size=1, oid=oid) for name, oid in files.items()}


@pytest.mark.parametrize(
    ("folder", "recursive", "paths"),
    [
        ("", False, ["a", "d"]),
        ("", True, ["a", "d", "d/b", "d/e", "d/e/c"]),
        ("d", False, ["d/b", "d/e"]),
        ("d", True, ["d/b", "d/e", "d/e/c"]),
        ("x", True, []),
    ],
)
def test_listing(folder: str, recursive: bool, paths: list[str]) -> None:
    held = tree(a="1", d_b="2", d_e_c="3")
    assert [entry["path"] for entry in listing(held, folder, recursive=recursive)] == paths


@pytest.mark.parametrize(
    ("path", "kind"), [("a", "file"), ("d", "directory"), ("d/", "directory"), ("x", None)]
)
def test_find(path: str, kind: str | None) -> None:
    found = find(tree(a="1", d_b="2"), path)
    assert (found["type"] if found else None) == kind


def test_a_merge_takes_what_they_changed_and_leaves_what_we_did() -> None:
    base = tree(a="1", b="1", c="1", d="1")
    ours = tree(a="2", b="1", c="1", d="1", mine="1")
    theirs = tree(a="1", b="2", d="1", theirs="1")
    assert merged(base, ours, theirs) == tree(a="2", b="2", d="1", mine="1", theirs="1")
    assert conflicts(base, ours, theirs) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "clash"),
    [
        (tree(a="2"), tree(a="3"), ["a"]),
        (tree(a="2"), tree(), ["a"]),
        (tree(), tree(), []),
        (tree(a="2"), tree(a="2"), []),
    ],
)
def test_conflicts(ours: Tree, theirs: Tree, clash: list[str]) -> None:
    assert conflicts(tree(a="1"), ours, theirs) == clash


def test_an_entry_tells_which_commit_changed_it_last() -> None:
    history = {
        "1": _commit((), tree(a="1", d_b="1")),
        "2": _commit(("1",), tree(a="2", d_b="1")),
        "3": _commit(("2",), tree(a="2", d_b="2")),
    }

    def last(path: str) -> object:
        found = find(history["3"].tree, path)
        assert found is not None
        entry = expanded(found, "3", history.__getitem__)["lastCommit"]
        assert isinstance(entry, dict)
        return entry["id"]

    assert (last("a"), last("d/b"), last("d")) == ("2", "3", "3")


def _commit(parents: tuple[str, ...], held: Tree) -> Commit:
    return Commit(parents=parents, tree=held, title="t", message="", author="me", date=0)
