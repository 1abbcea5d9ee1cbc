"""One's own inputs: what a file may hold, and what is said of one that can't be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_merge.encoders.inputs import OwnInputs, read_inputs
from adapter_merge.encoders.probes import QUERIES, TEXTS, inputs
from adapter_merge.errors import RequestError


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("in.json", '{"texts": ["one", " two "], "queries": ["three"], "images": ["sub/a.png"]}'),
        ("in.yaml", "texts: [one, two]\nqueries:\n  - three\nimages: [sub/a.png]\n"),
        ("in.yml", "texts:\n- one\n- two\nqueries: [three]\nimages: [./sub/a.png]\n"),
    ],
)
def test_a_file_is_read(tmp_path: Path, name: str, content: str) -> None:
    image = tmp_path / "sub" / "a.png"
    image.parent.mkdir()
    image.touch()
    (tmp_path / name).write_text(content)
    found = read_inputs(tmp_path / name)
    assert found == OwnInputs(texts=("one", "two"), queries=("three",), images=(str(image),))


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("in.json", "", "no inputs can be read"),
        ("in.json", "{", "no inputs can be read"),
        ("in.yaml", "texts: [a", "no inputs can be read"),
        ("in.json", "{}", "holds no inputs"),
        ("in.json", '{"texts": []}', "holds no inputs"),
        ("in.json", '["a"]', "isn't a file with inputs"),
        ("in.yaml", "plain words", "isn't a file with inputs"),
        ("in.json", '{"text": ["a"]}', "`text`"),
        ("in.json", '{"texts": "a"}', "`texts`"),
        ("in.json", '{"texts": ["a", 1]}', "`texts.1`"),
        ("in.json", '{"texts": ["a", " "]}', "`texts.1`"),
        ("in.json", '{"images": ["a.png", "b.png"]}', "`a.png` and 1 more, which isn't there"),
        ("in.yaml", "texts: !!python/object/apply:os.getcwd []", "no inputs can be read"),
        ("in.json", '{"texts": [' + '"a",' * 256 + '"a"]}', "`texts`"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, name: str, content: str, part: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(RequestError) as caught:
        read_inputs(tmp_path / name)
    assert part in caught.value.message
    assert name in caught.value.message
    assert caught.value.hint


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="No such file"):
        read_inputs(tmp_path / "nowhere.json")


def test_ours_stand_in_for_what_is_left_out() -> None:
    own = OwnInputs(texts=("mine",), queries=(), images=())
    found = inputs(own, sees=True)
    assert (found.texts, found.queries, found.pages, found.draw) == (("mine",), QUERIES, (), True)
    own = OwnInputs(texts=(), queries=("what",), images=("a.png",))
    found = inputs(own, sees=True)
    assert (found.texts, found.queries, found.pages, found.draw) == (
        TEXTS,
        ("what",),
        ("a.png",),
        False,
    )
    assert inputs(own, sees=False).pages == ()
    assert inputs(None, sees=False).draw is False
