from __future__ import annotations

import pytest

from adapter_merge.errors import Corrupt
from adapter_merge.layouts.rewrite import Assignment, rewrite
from adapter_merge.plan import Change
from tests.layouts.tiny import MakeRepo


def test_keys_keep_their_order_and_text_its_letters(make_repo: MakeRepo) -> None:
    repo = make_repo({"a.json": {"z": 1e-12, "in": {"k": 1}, "a": "é"}})
    wanted = [
        Assignment(file="a.json", where=("in",), key="k", value=2, why="so"),
        Assignment(file="a.json", key="new", value=[1], why="so"),
    ]
    (made,) = rewrite(repo, wanted)
    expected = (
        '{\n  "z": 1e-12,\n  "in": {\n    "k": 2\n  },\n  "a": "é",\n  "new": [\n    1\n  ]\n}\n'
    )
    assert made.content.decode() == expected
    assert made.changes == (
        Change(subject="a.json: in.k", before=1, after=2, why="so"),
        Change(subject="a.json: new", before=None, after=[1], why="so"),
    )


def test_a_file_that_says_so_already_is_not_rewritten(make_repo: MakeRepo) -> None:
    repo = make_repo({"a.json": {"k": 1}, "b.json": {"k": 2}})
    wanted = [Assignment(file=f, key="k", value=1, why="so") for f in ("a.json", "b.json")]
    assert [made.path for made in rewrite(repo, wanted)] == ["b.json"]


@pytest.mark.parametrize("content", ["{", "[]", "version https://git-lfs.github.com/spec/v1\n"])
def test_what_is_not_an_object_is_corrupt(make_repo: MakeRepo, content: str) -> None:
    repo = make_repo({"a.json": content})
    with pytest.raises(Corrupt, match=r"a\.json"):
        rewrite(repo, [Assignment(file="a.json", key="k", value=1, why="so")])
