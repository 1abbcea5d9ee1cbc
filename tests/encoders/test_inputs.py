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


def test_what_is_relevant_is_read_by_its_place(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    (tmp_path / "in.yaml").write_text(
        "texts: [one, two, two]\nqueries:\n- what is it?\n- ' who '\n- nobody\nimages: [a.png, b.png]\n"
        "relevant:\n  what is it?: [two, b.png]\n  who: [one, ' two ']\n"
    )
    found = read_inputs(tmp_path / "in.yaml")
    assert found.relevant == {"text": ((0, 1), (0, 2), (1, 0), (1, 1), (1, 2)), "page": ((0, 1),)}
    assert inputs(found, sees=True).relevant == found.relevant
    assert inputs(None, sees=True).relevant == {}


def test_kinds_of_which_nothing_is_relevant_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text(
        '{"texts": ["one"], "queries": ["two"], "relevant": {"two": ["one"]}}'
    )
    assert read_inputs(tmp_path / "in.json").relevant == {"text": ((0, 0),)}


@pytest.mark.parametrize(
    ("relevant", "part"),
    [
        ('{"other": ["one"]}', "names the query `other`, which isn't among its `queries`"),
        ('{"two": ["three"]}', "`three`, which isn't among its `texts` or `images`"),
        ('{"two": ["one", "a.png"]}', "`a.png`, which isn't among"),
        ('{"one": ["two"]}', "names the query `one`"),
        ('{"' + "x" * 999 + '": ["one"]}', "x…x"),
        ('{"two": []}', "`relevant.two`"),
        ('{"two": "one"}', "`relevant.two`"),
        ('{"two": [0]}', "`relevant.two.0`"),
        ('[["two", "one"]]', "`relevant`"),
        ('{" ": ["one"]}', "`relevant."),
    ],
)
def test_what_is_relevant_has_to_be_there(tmp_path: Path, relevant: str, part: str) -> None:
    content = f'{{"texts": ["one"], "queries": ["two"], "relevant": {relevant}}}'
    (tmp_path / "in.json").write_text(content)
    with pytest.raises(RequestError) as caught:
        read_inputs(tmp_path / "in.json")
    assert part in caught.value.message
    assert "in.json" in caught.value.message
    assert len(caught.value.message) < 300
    assert caught.value.hint


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
