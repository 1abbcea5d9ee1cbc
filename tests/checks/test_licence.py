"""Faults of licences: each is planted in the cards or files of a good merge and found under its code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from adapter_merge.checks import CHECKS
from adapter_merge.checks.seen import Seen
from adapter_merge.checks.side import look_beside
from adapter_merge.finding import Finding, Outcome
from adapter_merge.licence import decide
from adapter_merge.readme import Readme
from adapter_merge.sources import Adapter, Base, Sources
from tests.licence.cards import adapter, base, card, files, pinned, sources, under

COMMIT = "a" * 40
LLAMA = ("LICENSE", "NOTICE")


def seen(
    made_from: Sources | None,
    *paths: str,
    name: str = "merged",
    sizes: Mapping[str, int] | None = None,
) -> Seen:
    """A result that has these files of one byte, or of the size that is given."""
    return Seen(
        name=name,
        files={**dict.fromkeys(("config.json", *paths), 1), **(sizes or {})},
        recorded=None,
        checkpoint=None,
        trouble=None,
        side=look_beside(Path("nowhere"), {}),
        plan=None,
        sources=made_from,
        looks={},
        tied=None,
        foreign=False,
    )


def judged(subject: Seen) -> dict[str, Finding]:
    found = [f for check in CHECKS if check.code[0] == "L" for f in check.judge(subject)]
    assert len({f.code for f in found}) == len(found)
    return {f.code: f for f in found}


def outcome(subject: Seen) -> dict[str, str]:
    """What isn't passed, by code."""
    return {c: str(f.outcome) for c, f in judged(subject).items() if f.outcome is not Outcome.PASS}


@pytest.mark.parametrize("licence", ["apache-2.0", "cc-by-nc-4.0", "openrail"])
def test_a_stated_licence_passes(licence: str) -> None:
    found = judged(seen(sources(base(under(licence)))))
    assert {str(f.outcome) for f in found.values()} == {"pass"}
    assert found["L001"].message == f"`{licence}`, the base's"
    assert found["L001"].evidence == {"license": licence}


def test_a_stricter_adapter_is_named() -> None:
    found = judged(seen(sources(base(under("mit")), adapter(under("gpl-3.0")))))
    assert found["L001"].message == "`gpl-3.0`, an adapter's, stricter than the base's"
    assert {str(f.outcome) for f in found.values()} == {"pass"}


def test_a_folder_without_a_card_gets_one_sentence() -> None:
    subject = seen(sources(base(), adapter(under("apache-2.0"))))
    assert outcome(subject) == {"L001": "skip"}
    finding = judged(subject)["L001"]
    assert finding.message.startswith("not checked: the base has no `README.md`")
    assert finding.evidence == {"public": False, "private": True}


@pytest.mark.parametrize(
    "unlabelled",
    [
        base(at=pinned("org/base", COMMIT)),
        base(Readme.parse("# A model")),
        base(under("unknown")),
        base(under("own-1.0")),
        base(card(license="other", license_name="own")),
    ],
)
def test_an_unknown_licence_warns_once(unlabelled: Base) -> None:
    subject = seen(sources(unlabelled))
    assert outcome(subject) == {"L001": "warn"}
    assert judged(subject)["L001"].evidence == {"public": False, "private": True}


def test_an_adapter_s_licence_that_nobody_knows_warns() -> None:
    assert outcome(seen(sources(base(under("mit")), adapter(under("own"))))) == {"L001": "warn"}


@pytest.mark.parametrize(
    ("of_base", "of_adapter"), [("cc-by-nd-4.0", None), ("mit", "cc-by-nc-nd-4.0")]
)
def test_no_derivatives(of_base: str, of_adapter: str | None) -> None:
    other = None if of_adapter is None else under(of_adapter)
    subject = seen(sources(base(under(of_base)), adapter(other)))
    assert outcome(subject) == {"L002": "warn"}
    assert judged(subject)["L002"].evidence == {"public": False, "private": False}


@pytest.mark.parametrize(
    ("of_base", "of_adapter", "public"),
    [("openrail", "gpl-3.0", False), ("openrail", "mit", True)],
)
def test_licences_that_do_not_go_together(of_base: str, of_adapter: str, public: bool) -> None:
    subject = seen(sources(base(under(of_base)), adapter(under(of_adapter))))
    assert outcome(subject) == {"L003": "warn"}
    assert judged(subject)["L003"].evidence == {"public": public, "private": True}


def held(**sizes: int) -> tuple[Base, Adapter]:
    """A base and an adapter with a licence file each."""
    return base(under("mit"), held=files(LICENSE=7)), adapter(held=files(**sizes))


@pytest.mark.parametrize(
    ("theirs", "result", "lost"),
    [
        ({}, {}, ["LICENSE"]),
        ({}, {"LICENSE": 7}, []),
        ({}, {"LICENSE": 6}, []),  # another program wrote it with other line ends
        ({}, {"LICENSE-base": 7}, []),
        ({}, {"sub/LICENSE": 7}, ["LICENSE"]),
        ({"LICENSE": 7}, {"LICENSE": 7}, []),
        ({"LICENSE": 8}, {"LICENSE": 7}, ["LICENSE"]),
        ({"LICENSE": 8}, {"LICENSE": 7, "LICENSE-adapter": 8}, []),
        ({"LICENSE": 8}, {"LICENSE": 7, "adapter-LICENSE": 8}, []),
        ({"NOTICE": 8}, {"LICENSE": 7}, ["NOTICE"]),
        ({"USE_POLICY.md": 8, "NOTICE": 9}, {}, ["LICENSE", "USE_POLICY.md", "NOTICE"]),
    ],
)
def test_lost_licence_files(
    theirs: dict[str, int], result: dict[str, int], lost: list[str]
) -> None:
    subject = seen(sources(*held(**theirs)), sizes=result)
    assert outcome(subject) == ({"L004": "warn"} if lost else {})
    assert judged(subject)["L004"].evidence.get("lost", []) == lost


@pytest.mark.parametrize(
    ("licence", "result", "lacking"),
    [
        ("llama3.1", (), "Llama's licence asks for a copy of itself and a `NOTICE`"),
        ("llama3.1", ("LICENSE",), "Llama's licence asks for a `NOTICE`"),
        ("llama2", ("Notice",), "Llama's licence asks for a copy of itself"),
        ("gemma", (), "Gemma's licence asks for a copy of itself and a `NOTICE`"),
    ],
)
def test_files_that_a_family_asks_for(licence: str, result: tuple[str, ...], lacking: str) -> None:
    subject = seen(sources(base(under(licence))), *result, name="Llama-mine")
    assert outcome(subject) == {"L004": "warn"}
    finding = judged(subject)["L004"]
    assert lacking in finding.message
    assert finding.evidence["notices"] == [
        family.notice for family in decide(under(licence), []).families
    ]


def test_a_licence_of_its_own_without_its_text() -> None:
    own = card(license="other", license_name="own", license_link="LICENSE")
    assert outcome(seen(sources(base(own)))) == {"L004": "warn"}
    assert outcome(seen(sources(base(own, pinned("org/base", COMMIT))))) == {}
    assert outcome(seen(sources(base(own)), "LICENSE")) == {}


@pytest.mark.parametrize(
    ("licence", "name", "fits"),
    [
        ("llama3.1", "merged", False),
        ("llama3.1", "my-llama", False),
        ("llama3.1", "Llama-mine", True),
        ("llama3.1", "llama_mine", True),
        ("llama3", "Llama-mine", False),
        ("llama3", "Llama-3-mine", True),
        ("llama3", "llama3-mine", True),
        ("llama2", "merged", True),
        ("gemma", "merged", True),
    ],
)
def test_names_that_a_family_asks_for(licence: str, name: str, fits: bool) -> None:
    subject = seen(sources(base(under(licence))), *LLAMA, name=name)
    assert outcome(subject) == ({} if fits else {"L005": "warn"})


def test_without_sources_each_says_what_it_needs() -> None:
    found = judged(seen(None))
    assert set(outcome(seen(None)).values()) == {"skip"}
    assert len(found) == 5
    assert all("--base" in f.message for f in found.values())
