from __future__ import annotations

import pytest

from adapter_merge.licence.known import Kind
from adapter_merge.licence.stated import stated
from adapter_merge.readme import Readme
from tests.licence.cards import card, under

WEB = "https://example.org/terms"


def test_odd_spellings_and_lists_are_written_as_the_hub_has_them() -> None:
    said = stated(under("Apache 2.0", "apache-2", "MIT License"))
    assert (said.ids, said.name, said.link, said.trouble) == (
        ("apache-2.0", "mit"),
        None,
        None,
        None,
    )
    assert said.text == "`apache-2.0` and `mit`"


@pytest.mark.parametrize(
    ("readme", "trouble"),
    [
        (None, "has no `README.md`"),
        (Readme.parse("---\na: [\n---\n"), "has a `README.md` whose metadata can't be read"),
        (Readme.parse("# A model"), "states no licence in its `README.md`"),
        (card(license=None), "states no licence in its `README.md`"),
        (card(license=7), "states no licence in its `README.md`"),
        (under("unknown"), "says `license: unknown`"),
        (under("mit", "unknown"), "says `license: unknown`"),
        (under("cc"), "says `license: cc`, which leaves open which one of them it is"),
        (under("other"), "states the licence `other` without `license_name` and `license_link`"),
        (
            card(license="other", license_link=WEB),
            "states the licence `other` without `license_name`",
        ),
        (
            card(license="other", license_name="own"),
            "states the licence `own`, which the Hub doesn't know, without `license_link`",
        ),
        (
            under("own-1.0"),
            "states the licence `own-1.0`, which the Hub doesn't know, without `license_link`",
        ),
    ],
)
def test_why_a_licence_is_not_known(readme: Readme | None, trouble: str) -> None:
    assert stated(readme).trouble == trouble


@pytest.mark.parametrize(
    "readme",
    [
        card(license="other", license_name="own-1.0", license_link=WEB),
        card(license="own-1.0", license_link=WEB),
    ],
)
def test_a_licence_of_its_own_is_other_by_name(readme: Readme) -> None:
    said = stated(readme)
    assert (said.ids, said.name, said.link, said.trouble) == (("other",), "own-1.0", WEB, None)
    assert [x.kind for x in said.licences] == [Kind.OTHER]


def test_other_may_be_the_name_of_a_known_one() -> None:
    said = stated(card(license="other", license_name="Llama 3.1 Community License"))
    assert (said.ids, said.trouble) == (("other",), None)
    assert [x.id for x in said.licences] == ["llama3.1"]
    assert said.link == said.licences[0].link


def test_the_file_with_the_text_is_the_link_that_is_missing() -> None:
    said = stated(
        card(license="other", license_name="own"), ["config.json", "LICENSE (1).txt", "LICENSE.txt"]
    )
    assert (said.link, said.trouble) == ("LICENSE.txt", None)
    assert stated(under("mit"), ["LICENSE"]).link is None


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        (WEB, WEB),
        ("LICENSE", "LICENSE"),
        ("./LICENSE.md", "LICENSE.md"),
        ("terms/LICENSE", "terms/LICENSE"),
        ("../LICENSE", None),
        ("terms/../../LICENSE", None),
        ("/etc/passwd", None),
        ("javascript:alert(1)", None),
        ("https://example.org/) [x](y", None),
        ("https://example.org/" + "a" * 500, None),
        ("LICENSE\nNOTICE", None),
        ("LICENSE (1)", None),
    ],
)
def test_links_lead_to_the_web_or_into_the_repository(link: str, kept: str | None) -> None:
    assert stated(card(license="mit", license_link=link)).link == kept


def test_a_stranger_s_name_is_one_short_line() -> None:
    name = "a`b\n\x1b[31m" + "c" * 300
    said = stated(card(license="other", license_name=name, license_link=WEB))
    assert said.name is not None
    assert said.name.startswith("a'b [31mccc")
    assert len(said.name) == 200
