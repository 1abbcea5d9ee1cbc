from __future__ import annotations

import pytest

from adapter_merge.licence import Doubt, terms_of
from adapter_merge.sources import RepoFile
from tests.licence.cards import adapter, base, card, files, pinned, sources, under

COMMIT = "a" * 40
OWN = card(license="other", license_name="own", license_link="LICENSE")
WEB = "https://example.org/terms"


@pytest.mark.parametrize(
    ("source", "commit", "carried", "link"),
    [
        ("./base", None, ("LICENSE",), "LICENSE"),
        ("./base", None, (), None),
        ("org/base", COMMIT, ("LICENSE",), "LICENSE"),
        ("org/base", COMMIT, (), f"https://huggingface.co/org/base/blob/{COMMIT}/LICENSE"),
        (
            "hf://org/base@main",
            COMMIT,
            (),
            f"https://huggingface.co/org/base/blob/{COMMIT}/LICENSE",
        ),
        (
            "org/base/sub/dir",
            COMMIT,
            (),
            f"https://huggingface.co/org/base/blob/{COMMIT}/sub/dir/LICENSE",
        ),
    ],
)
def test_a_link_leads_somewhere(
    source: str, commit: str | None, carried: tuple[str, ...], link: str | None
) -> None:
    terms = terms_of(sources(base(OWN, pinned(source, commit))), carried)
    assert terms.keys.get("license_link") == link
    assert (terms.license, terms.license_name) == (("other",), "own")


def test_an_address_stays() -> None:
    readme = card(license="mit", license_link=WEB)
    assert terms_of(sources(base(readme)), ()).license_link == WEB


def test_the_link_of_an_adapter_leads_into_its_own_repository() -> None:
    made_from = sources(
        base(under("mit"), pinned("org/base", COMMIT)),
        adapter(OWN, pinned("org/adapter", COMMIT)),
    )
    terms = terms_of(made_from, ())
    assert terms.adapter == 0
    assert terms.license_link == f"https://huggingface.co/org/adapter/blob/{COMMIT}/LICENSE"


@pytest.mark.parametrize(
    ("theirs", "carried", "link"),
    [
        ({}, ("LICENSE",), "LICENSE"),
        ({"LICENSE": "one"}, ("LICENSE",), "LICENSE"),
        ({"LICENSE": "two"}, ("LICENSE", "adapter-LICENSE"), "adapter-LICENSE"),
        ({"LICENSE": "two"}, ("LICENSE",), None),
        ({}, (), None),
    ],
)
def test_the_link_of_an_adapter_never_leads_to_the_base_s_text(
    theirs: dict[str, str], carried: tuple[str, ...], link: str | None
) -> None:
    own, others = (
        {path: RepoFile(path=path, size=1, digest=digest) for path, digest in held.items()}
        for held in ({"LICENSE": "one"}, theirs)
    )
    made_from = sources(base(under("mit"), held=others), adapter(OWN, held=own))
    assert terms_of(made_from, carried).license_link == link


def test_the_text_of_a_licence_without_a_link_is_found_in_the_repository() -> None:
    readme = card(license="other", license_name="own")
    terms = terms_of(sources(base(readme, held=files(COPYING=9))), ("COPYING",))
    assert (terms.license_link, terms.concerns) == ("COPYING", ())


def test_the_hint_comes_with_the_base_s_name() -> None:
    (concern,) = terms_of(sources(base(at=pinned("./Llama-3.1-8B"))), ()).concerns
    assert concern.doubt is Doubt.UNKNOWN
    assert "by the name `Llama-3.1-8B` it is probably `llama3.1`" in concern.message
    assert terms_of(sources(base(at=pinned("./Llama-3.1-8B"))), ()).keys == {}
