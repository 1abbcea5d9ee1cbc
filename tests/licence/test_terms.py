from __future__ import annotations

import pytest

from adapter_merge.licence import Doubt, decide
from adapter_merge.readme import Readme
from tests.licence.cards import card, under

NO_CARD = Readme.parse("# A model")


@pytest.mark.parametrize(
    ("base", "adapter", "license_", "doubts"),
    [
        ("apache-2.0", None, "apache-2.0", ()),
        ("apache-2.0", "apache-2.0", "apache-2.0", ()),
        ("apache-2.0", "mit", "apache-2.0", ()),
        ("apache-2.0", "unknown", "apache-2.0", ()),
        # The adapter's is stricter.
        ("apache-2.0", "cc-by-4.0", "cc-by-4.0", ()),
        ("apache-2.0", "cc-by-nc-4.0", "cc-by-nc-4.0", ()),
        ("mit", "gpl-3.0", "gpl-3.0", ()),
        ("mit", "llama3.1", "llama3.1", ()),
        ("cc-by-4.0", "openrail", "openrail", ()),
        # The adapter's is laxer.
        ("llama3.1", "apache-2.0", "llama3.1", (Doubt.LAXER,)),
        ("gemma", "mit", "gemma", (Doubt.LAXER,)),
        ("cc-by-4.0", "mit", "cc-by-4.0", (Doubt.LAXER,)),
        # Both restrict.
        ("gemma", "gemma", "gemma", ()),
        ("gemma", "openrail", "gemma openrail", (Doubt.CONFLICT,)),
        ("gpl-3.0", "cc-by-nc-4.0", "gpl-3.0 cc-by-nc-4.0", (Doubt.CONFLICT,)),
        ("llama3.1", "llama3", "llama3.1 llama3", (Doubt.CONFLICT,)),
        # No changed versions.
        ("cc-by-nd-4.0", None, "cc-by-nd-4.0", (Doubt.NO_DERIVATIVES,)),
        ("mit", "cc-by-nc-nd-4.0", "cc-by-nc-nd-4.0", (Doubt.NO_DERIVATIVES,)),
        ("mit", "cc-by-nc-nd-2.0", "other", (Doubt.NO_DERIVATIVES,)),
        # Not known.
        ("mit", "own", "", (Doubt.UNKNOWN,)),
        ("own", "own", "other", (Doubt.UNKNOWN,)),
        ("own", "mit", "other", (Doubt.UNKNOWN,)),
        ("cc", None, "cc", (Doubt.UNKNOWN,)),
    ],
)
def test_which_licence_holds(
    base: str, adapter: str | None, license_: str, doubts: tuple[Doubt, ...]
) -> None:
    terms = decide(under(base), [None if adapter is None else under(adapter)])
    assert terms.license == tuple(license_.split())
    assert tuple(c.doubt for c in terms.concerns) == doubts


@pytest.mark.parametrize("base", [None, NO_CARD, under("unknown")])
@pytest.mark.parametrize("adapter", [None, under("apache-2.0"), under("cc-by-nc-4.0")])
def test_nothing_is_invented(base: Readme | None, adapter: Readme | None) -> None:
    terms = decide(base, [adapter])
    assert (terms.keys, terms.licences, terms.adapter) == ({}, (), None)
    (concern,) = terms.concerns
    assert concern.doubt is Doubt.UNKNOWN
    assert concern.adapter is None
    assert ("says nothing of the base" in concern.message) is (adapter is not None)


def test_keys_of_a_card() -> None:
    link = "https://example.org/terms"
    terms = decide(card(license="Own 1", license_name="Own", license_link=link), [None])
    assert dict(terms.keys) == {"license": "other", "license_name": "Own", "license_link": link}
    assert list(terms.keys) == ["license", "license_name", "license_link"]
    assert dict(decide(under("mit", "apache-2.0"), []).keys) == {"license": ["mit", "apache-2.0"]}


def test_of_a_list_all_licences_hold() -> None:
    assert decide(under("mit", "gemma"), [under("gemma")]).concerns == ()
    (concern,) = decide(under("mit", "gemma"), [under("mit")]).concerns
    assert concern.doubt is Doubt.LAXER


def test_the_strictest_of_several_adapters_holds() -> None:
    terms = decide(under("mit"), [under("cc-by-4.0"), None, under("gpl-3.0"), under("mit")])
    assert (terms.license, terms.adapter, terms.concerns) == (("gpl-3.0",), 2, ())


def test_adapters_can_exclude_each_other() -> None:
    terms = decide(under("mit"), [under("gpl-3.0"), under("gemma")])
    assert (terms.license, terms.adapter) == (("gpl-3.0", "gemma"), 0)
    (concern,) = terms.concerns
    assert (concern.doubt, concern.adapter) == (Doubt.CONFLICT, 1)
    assert "adapter 2's `gemma` and adapter 1's `gpl-3.0`" in concern.message
    assert "both are written; ask the publisher of adapter 2" in concern.message


@pytest.mark.parametrize(
    ("doubt", "public", "private"),
    [
        (Doubt.UNKNOWN, False, True),
        (Doubt.CONFLICT, False, True),
        (Doubt.NO_DERIVATIVES, False, False),
        (Doubt.LAXER, True, True),
    ],
)
def test_where_a_doubtful_result_may_go(doubt: Doubt, public: bool, private: bool) -> None:
    assert (doubt.public, doubt.private) == (public, private)


@pytest.mark.parametrize(
    ("license_", "shown"),
    [("llama3", "**Built with Meta Llama 3**"), ("llama3.3", "**Built with Llama**")],
)
def test_what_a_llama_s_card_says(license_: str, shown: str) -> None:
    terms = decide(under(license_), [under("apache-2.0")])
    assert terms.family is not None
    assert terms.family.name == "Llama"
    assert terms.statements[0] == shown
    assert terms.statements[1] == terms.family.notice
    assert terms.family.policy in terms.statements[2]


def test_what_a_gemma_s_card_says() -> None:
    notice, change = decide(under("gemma"), []).statements
    assert notice.endswith("ai.google.dev/gemma/terms.")
    assert "changed by merging" in change


def test_a_family_is_named_once_and_the_base_s_version_counts() -> None:
    terms = decide(under("llama3.1"), [under("llama3"), under("gemma")])
    assert [family.name for family in terms.families] == ["Llama", "Gemma"]
    assert terms.families[0].prefix == "Llama"
    assert decide(under("mit"), [None]).family is None
    assert decide(under("mit"), [None]).statements == ()
