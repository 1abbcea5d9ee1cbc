"""Who named a base, and whether it may be merged: the decisions alone."""

from __future__ import annotations

from typing import Any

import pytest

from adapter_merge.bases.permission import (
    NamedBy,
    Ownership,
    depends_on_ownership,
    named_by,
    why_refused,
)
from adapter_merge.remote import Access
from adapter_merge.request import BaseRule, RepoRef, Request

OPERATOR, PATTERN, ADAPTER = NamedBy.OPERATOR, NamedBy.PATTERN, NamedBy.ADAPTER
OPEN, GATED, PRIVATE = Access.OPEN, Access.GATED, Access.PRIVATE


@pytest.mark.parametrize(
    ("asked", "rule", "repo", "expected"),
    [
        ({}, {}, "acme/base", ADAPTER),
        ({"base": "auto"}, {}, "acme/base", ADAPTER),
        ({"base": "acme/base"}, {}, "acme/base", OPERATOR),
        ({"base": "acme/base@v1"}, {}, "acme/base", OPERATOR),
        ({"base": "acme/base"}, {"read_from_adapter": True}, "acme/base", ADAPTER),
        ({}, {"only": ("acme/*",)}, "acme/base", PATTERN),
        ({}, {"only": ("ACME/*",)}, "acme/base", PATTERN),
        ({}, {"only": ("acme/*",)}, "Acme/Base", PATTERN),
        ({}, {"only": ("acme/*",)}, "acme-evil/base", ADAPTER),
        ({}, {"only": ("acme/*",)}, "base", ADAPTER),
        ({}, {"only": ("gpt2",)}, "gpt2", OPERATOR),
        ({}, {"only": ("*",)}, "gpt2", PATTERN),
        ({}, {"only": ("acme/*", "acme/base")}, "acme/base", OPERATOR),
        ({}, {"only": ("acme/*", "Acme/Base")}, "acme/base", OPERATOR),
        ({"base": "auto"}, {"only": ("acme/base",)}, "acme/base", OPERATOR),
        ({"base": "other/base"}, {"only": ("acme/*",)}, "other/base", OPERATOR),
    ],
)
def test_who_named_it(
    asked: dict[str, Any], rule: dict[str, Any], repo: str, expected: NamedBy
) -> None:
    request = Request.model_validate(
        {"adapters": ("org/a",), "base_rule": BaseRule.model_validate(rule), **asked}
    )
    assert named_by(request, RepoRef.model_validate(repo)) is expected


def own(**values: Any) -> Ownership:
    return Ownership(
        **{
            "base": "acme",
            "others": frozenset({"acme"}),
            "in_group": False,
            "authors_read": True,
            **values,
        }
    )


@pytest.mark.parametrize(
    ("ownership", "part"),
    [
        (own(), None),
        (own(others=frozenset()), None),
        (own(others=frozenset({"acme", "other"})), "same owner"),
        (own(others=frozenset({""})), "same owner"),
        (own(in_group=True), "one of them is in a resource group"),
        (own(in_group=None), "does not say"),
        (own(authors_read=False), "author"),
        (own(authors_read=None), "author"),
        (None, "owner is not known"),
    ],
)
def test_a_private_base_goes_by_its_owner(ownership: Ownership | None, part: str | None) -> None:
    why = why_refused(ADAPTER, BaseRule(), PRIVATE, ownership)
    assert (why is None) == (part is None)
    assert part is None or part in str(why)


@pytest.mark.parametrize("place", ["command", "entry", "watch"])
@pytest.mark.parametrize("access", [OPEN, GATED, PRIVATE, None])
@pytest.mark.parametrize("named", NamedBy)
def test_each_case(named: NamedBy, access: Access | None, place: Any) -> None:
    rule = BaseRule(place=place)
    refused = named is ADAPTER and (
        access is PRIVATE or (access is GATED and rule.place == "watch")
    )
    assert (why_refused(named, rule, access, None) is not None) == refused
    assert depends_on_ownership(named, access) == (named is ADAPTER and access is PRIVATE)


@pytest.mark.parametrize("access", [OPEN, GATED, PRIVATE, None])
def test_only_bases_is_the_whole_list(access: Access | None) -> None:
    rule = BaseRule(only=("acme/*",), place="entry")
    assert "`acme/*`" in str(why_refused(ADAPTER, rule, access, own()))
    assert why_refused(PATTERN, rule, access, None) is None
    assert why_refused(OPERATOR, rule, access, None) is None
