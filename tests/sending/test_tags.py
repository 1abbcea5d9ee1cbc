"""Which tag a result gets."""

from __future__ import annotations

from typing import Any

import pytest

from adapter_merge.errors import Conflict
from adapter_merge.publishing import Publishing
from adapter_merge.sending.parties import parties_of
from adapter_merge.sending.tags import chosen_tag, standing_tag
from tests.published import ADAPTER, OPEN, digest, files, receipt, source

HERE, THERE = "1" * 40, "2" * 40
RECIPE = digest("one")[:7]
SHORT = f"merge-{(source(ADAPTER).commit or '')[:7]}"
LONG = f"{SHORT}-{RECIPE}"


def chosen(
    tags: dict[str, str], commit: str | None, adapters: tuple[str, ...] = (ADAPTER,), **wish: Any
) -> str | None:
    told = receipt(files(1), adapters=adapters)
    parties = parties_of(told.base, told.adapters, OPEN)
    return chosen_tag(Publishing.model_validate(wish), told, parties, tags, commit=commit)


@pytest.mark.parametrize(
    ("tags", "commit", "tag"),
    [
        ({}, HERE, SHORT),
        ({}, None, SHORT),
        ({SHORT: HERE}, HERE, SHORT),
        ({SHORT: THERE}, HERE, LONG),
        ({SHORT: THERE}, None, LONG),
        ({SHORT: THERE, LONG: HERE}, HERE, LONG),
        ({SHORT: THERE, LONG: THERE}, HERE, f"{LONG}-2"),
        ({SHORT: THERE, LONG: THERE, f"{LONG}-2": THERE}, HERE, f"{LONG}-3"),
    ],
)
def test_a_name_that_is_taken_is_made_longer(
    tags: dict[str, str], commit: str | None, tag: str
) -> None:
    assert chosen(tags, commit) == tag


@pytest.mark.parametrize(
    ("adapters", "tag"),
    [
        (("./run",), f"merge-{digest('./run')[:7]}"),
        (("org/a", "org/b"), f"merge-{RECIPE}"),
    ],
)
def test_what_has_no_commit_is_named_by_its_digest(adapters: tuple[str, ...], tag: str) -> None:
    assert chosen({}, HERE, adapters) == tag


@pytest.mark.parametrize(
    ("wish", "tag"),
    [({"no_tag": True}, None), ({"publish": "pr"}, None), ({"tag": "v1"}, "v1")],
)
def test_a_wish_counts(wish: dict[str, Any], tag: str | None) -> None:
    assert chosen({SHORT: THERE}, HERE, **wish) == tag


@pytest.mark.parametrize("commit", [HERE, None])
def test_a_name_that_was_asked_for_is_never_changed(commit: str | None) -> None:
    with pytest.raises(Conflict, match="`v1` stands at another commit, 2222222"):
        chosen({"v1": THERE}, commit, tag="v1")
    assert chosen({"v1": HERE}, HERE, tag="v1") == "v1"


@pytest.mark.parametrize(
    ("wish", "ours", "others", "tag"),
    [
        ({}, (), (), None),
        ({}, (SHORT,), (), SHORT),
        ({}, (LONG,), (SHORT,), LONG),
        ({}, (LONG,), (), LONG),
        ({}, (f"{LONG}-2",), (), f"{LONG}-2"),
        ({}, (f"{LONG}-2",), (SHORT, LONG), f"{LONG}-2"),
        ({}, (), (SHORT,), None),
        ({}, ("v1",), (), None),
        ({"tag": "v1"}, ("v1", SHORT), (), "v1"),
        ({"tag": "v1"}, (SHORT,), ("v1",), None),
        ({"tag": "v2"}, ("v1", SHORT), (), None),
        ({"no_tag": True}, (SHORT,), (), None),
    ],
)
def test_a_result_that_stands_keeps_its_tag(
    wish: dict[str, Any], ours: tuple[str, ...], others: tuple[str, ...], tag: str | None
) -> None:
    """`others` are tags at commits of another recipe."""
    told = receipt(files(1))
    parties = parties_of(told.base, told.adapters, OPEN)
    known = dict.fromkeys(ours, HERE) | dict.fromkeys(others, THERE)
    found = standing_tag(
        Publishing.model_validate(wish),
        told,
        parties,
        known,
        receipt_at={HERE: told, THERE: receipt(files(1), recipe="another")}.get,
    )
    assert found == tag


def test_a_tag_at_other_bytes_of_the_same_recipe_is_not_a_results_own() -> None:
    told, before = receipt(files(1)), receipt(files(2))
    parties = parties_of(told.base, told.adapters, OPEN)
    tags = {SHORT: THERE, LONG: HERE}
    at = {HERE: told, THERE: before}.get
    assert standing_tag(Publishing(), told, parties, tags, receipt_at=at) == LONG
