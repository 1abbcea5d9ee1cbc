"""Who may read a result: a table of sources, wishes and targets."""

from __future__ import annotations

from typing import Any

import pytest

from adapter_merge.errors import LicenceConflict, Refused
from adapter_merge.publishing import Publishing
from adapter_merge.remote import Access
from adapter_merge.sending.audience import Audience, audience, refuse_by_licence
from adapter_merge.sending.parties import Party, parties_of
from tests.published import ADAPTER, BASE, files, finding, receipt, source, target

OPEN, GATED, PRIVATE = Access.OPEN, Access.GATED, Access.PRIVATE
FOLDER = None


def parties(base: Access | None, adapter: Access | None) -> tuple[Party, ...]:
    names = (BASE if base is not FOLDER else "./base", ADAPTER if adapter is not FOLDER else "./a")
    access = {BASE: base, ADAPTER: adapter}
    return parties_of(source(names[0]), (source(names[1]),), access)


# What is wished -> for base and adapter: private and gated of a new repository, or None where it is refused.
WISHES: dict[str, dict[str, Any]] = {
    "auto": {},
    "private": {"private": True},
    "public": {"public": True},
    "gated": {"gated": True},
    "public and gated": {"public": True, "gated": True},
    "private and gated": {"private": True, "gated": True},
}
NEW = {
    ("auto", OPEN, OPEN): (None, False),
    ("auto", OPEN, GATED): (True, False),
    ("auto", GATED, OPEN): (True, False),
    ("auto", OPEN, PRIVATE): (True, False),
    ("auto", PRIVATE, GATED): (True, False),
    ("auto", OPEN, FOLDER): (True, False),
    ("auto", FOLDER, OPEN): (True, False),
    ("private", OPEN, OPEN): (True, False),
    ("private", GATED, PRIVATE): (True, False),
    ("public", OPEN, OPEN): (False, False),
    ("public", OPEN, PRIVATE): (False, False),
    ("public", FOLDER, FOLDER): (False, False),
    ("public", OPEN, GATED): None,
    ("public", GATED, OPEN): None,
    ("public", PRIVATE, GATED): None,
    ("gated", OPEN, OPEN): (None, True),
    ("gated", GATED, OPEN): (None, True),
    ("gated", PRIVATE, GATED): (True, True),
    ("gated", OPEN, FOLDER): (True, True),
    ("public and gated", GATED, GATED): (False, True),
    ("public and gated", PRIVATE, OPEN): (False, True),
    ("private and gated", GATED, OPEN): (True, True),
}


@pytest.mark.parametrize(("case", "expected"), NEW.items(), ids=map(str, NEW))
def test_a_new_repository(
    case: tuple[str, Access | None, Access | None], expected: tuple[bool | None, bool] | None
) -> None:
    wish, base, adapter = case
    wanted = Publishing.model_validate(WISHES[wish])
    if expected is None:
        with pytest.raises(LicenceConflict) as caught:
            audience(parties(base, adapter), target(), wanted)
        assert "is gated" in caught.value.message
        assert "`--public --gated`" in caught.value.hint
        return
    found = audience(parties(base, adapter), target(), wanted)
    assert (found.private, found.gated) == expected
    assert bool(found.why) == (found.private is not None)


# What stands, what is wished, base and adapter -> what has to be done first; None where it may be written.
STANDING = {
    (OPEN, "auto", OPEN, OPEN): None,
    (OPEN, "auto", OPEN, FOLDER): "--private",
    (OPEN, "auto", FOLDER, OPEN): "--private",
    (OPEN, "public", OPEN, FOLDER): None,
    (OPEN, "public", FOLDER, GATED): "--gated manual",
    (GATED, "auto", GATED, FOLDER): "--private",
    (GATED, "public", GATED, FOLDER): None,
    (PRIVATE, "auto", FOLDER, FOLDER): None,
    (OPEN, "auto", OPEN, GATED): "--gated manual",
    (OPEN, "public", OPEN, GATED): "--gated manual",
    (OPEN, "auto", PRIVATE, OPEN): "--private",
    (OPEN, "public", PRIVATE, OPEN): None,
    (OPEN, "private", OPEN, OPEN): "--private",
    (OPEN, "gated", OPEN, OPEN): "--gated manual",
    (GATED, "auto", OPEN, GATED): None,
    (GATED, "gated", GATED, GATED): None,
    (GATED, "auto", OPEN, PRIVATE): "--private",
    (GATED, "private", OPEN, OPEN): "--private",
    (PRIVATE, "auto", GATED, PRIVATE): None,
    (PRIVATE, "public", OPEN, OPEN): None,
    (PRIVATE, "gated", GATED, OPEN): None,
}


@pytest.mark.parametrize(("case", "first"), STANDING.items(), ids=map(str, STANDING))
def test_a_repository_that_stands_is_never_opened_or_closed(
    case: tuple[Access, str, Access | None, Access | None], first: str | None
) -> None:
    stands, wish, base, adapter = case
    there = target(access=stands, head="1" * 40)
    wanted = Publishing.model_validate(WISHES[wish])
    if first is None:
        found = audience(parties(base, adapter), there, wanted)
        assert (found.private, found.gated) == (None, False)
        return
    with pytest.raises(Refused) as caught:
        audience(parties(base, adapter), there, wanted)
    assert f"hf repos settings org/merged {first}" in caught.value.hint


# What the licences say, who could read the target -> whether it may be published.
LICENCES = [
    ({}, None, True),
    ({"public": True, "private": True}, None, True),
    ({"public": False, "private": True}, None, False),
    ({"public": False, "private": True}, True, True),
    ({"public": False, "private": False}, True, False),
]


@pytest.mark.parametrize(("said", "private", "may"), LICENCES)
@pytest.mark.parametrize("stands", [True, False])
def test_what_the_licences_forbid_is_not_published(
    said: dict[str, bool], private: bool | None, may: bool, stands: bool
) -> None:
    told = receipt(files(1), findings=(finding("L001", **said),))
    access = PRIVATE if private else OPEN
    there = target(access=access, head="1" * 40) if stands else target()
    decided = Audience() if stands else Audience(private=private)
    if may:
        refuse_by_licence(told.findings, there, decided)
        return
    with pytest.raises(LicenceConflict, match=r"L001: it says so") as caught:
        refuse_by_licence(told.findings, there, decided)
    if said["private"]:
        assert "--private" in caught.value.hint
    else:
        assert "folder" in caught.value.hint


def test_a_gated_target_counts_as_public_for_a_licence() -> None:
    told = receipt(files(1), findings=(finding("L002", public=False, private=True),))
    with pytest.raises(LicenceConflict):
        refuse_by_licence(told.findings, target(access=GATED), Audience())


def test_only_checks_of_licences_are_asked() -> None:
    refuse_by_licence((finding("F001", public=False),), target(), Audience())
