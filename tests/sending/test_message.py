"""The words of a commit, and what a later run reads in them."""

from __future__ import annotations

import pytest

from adapter_merge.sending.message import same_work, title_of, trailers_in, trailers_of
from adapter_merge.sending.parties import parties_of
from tests.published import BASE, OPEN, files, receipt, source

RECIPE = ("Adapter-Merge-Recipe", "a" * 64)
OTHER = ("Adapter-Merge-Recipe", "b" * 64)
ADAPTER = ("Adapter-Merge-Adapter", "org/adapter@1")
CARD = ("Adapter-Merge-Card", "c" * 64)
REVERTS = ("Adapter-Merge-Reverts", "d" * 40)


@pytest.mark.parametrize(
    ("adapters", "title"),
    [
        (("org/a",), "Merge org/a into org/base"),
        (("org/a", "org/b"), "Merge org/a and 1 more into org/base"),
        (("./runs/a",), "Merge a into org/base"),
    ],
)
def test_the_title_names_what_was_merged(adapters: tuple[str, ...], title: str) -> None:
    parties = parties_of(source(BASE), map(source, adapters), OPEN)
    assert title_of(parties) == title


def test_a_long_title_is_cut() -> None:
    parties = parties_of(source(BASE), (source(f"org/{'x' * 200}"),), OPEN)
    assert len(title_of(parties)) == 120


def test_trailers_are_read_as_they_are_written() -> None:
    told = receipt(files(1), adapters=("org/a", "org/b"))
    trailers = trailers_of(told, parties_of(told.base, told.adapters, OPEN))
    text = "\r\n".join(f"{name}: {value}" for name, value in trailers)
    assert trailers_in(text) == trailers
    assert [name.removeprefix("Adapter-Merge-") for name, _ in trailers] == [
        "Recipe",
        "Adapter",
        "Adapter",
        "Base",
    ]


@pytest.mark.parametrize(
    "text", ["", "Adapter-Merge-Recipe:", "> Adapter-Merge-Recipe: a", "Adapter-Merge-Recipe: a b"]
)
def test_what_is_no_trailer_is_not_read(text: str) -> None:
    assert trailers_in(text) == ()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([RECIPE], [RECIPE, ADAPTER], True),
        ([RECIPE, CARD], [CARD, RECIPE], True),
        ([RECIPE], [OTHER], False),
        ([RECIPE], [RECIPE, CARD], False),
        ([RECIPE], [RECIPE, REVERTS], False),
        ([ADAPTER], [ADAPTER], False),
        ([], [], False),
    ],
)
def test_only_the_same_work_counts_as_the_same(
    one: list[tuple[str, str]], other: list[tuple[str, str]], same: bool
) -> None:
    assert same_work(one, other) is same
