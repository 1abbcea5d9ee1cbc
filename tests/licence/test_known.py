from __future__ import annotations

import pytest

from adapter_merge.licence import Kind
from adapter_merge.licence.known import find, known, spellings


def test_every_spelling_means_one_licence() -> None:
    assert [(key, text) for key, text in spellings() if find(text) is not known()[key]] == []


def test_each_licence_is_whole() -> None:
    assert len(known()) == 83
    assert {x.id for x in known().values() if x.kind is Kind.OTHER} == {"other"}
    assert {x.id for x in known().values() if x.kind is Kind.UNKNOWN} == {"cc", "unknown"}
    without = {x.id for x in known().values() if x.link is None}
    assert without == {"bsd", "gpl", "lgpl", "cc", "unknown", "other"}
    assert all((x.link or "https://").startswith("https://") for x in known().values())


def test_families() -> None:
    families = {x.id: x.family for x in known().values() if x.family is not None}
    assert set(families) == {
        *("llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4"),
        "gemma",
    }
    prefixes = {id_: family.prefix for id_, family in families.items()}
    assert prefixes["llama2"] is prefixes["gemma"] is None
    assert (prefixes["llama3"], prefixes["llama3.1"]) == ("Llama 3", "Llama")


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("Apache 2.0", "apache-2.0"),
        ("apache-2", "apache-2.0"),
        ("APACHE-2.0", "apache-2.0"),
        ("Apache License, Version 2.0", "apache-2.0"),
        ("MIT License", "mit"),
        ("GPLv3", "gpl-3.0"),
        ("gpl-3.0-or-later", "gpl-3.0"),
        ("AGPL-3.0-only", "agpl-3.0"),
        ("LGPL v2.1", "lgpl-2.1"),
        ("CC BY-NC 4.0", "cc-by-nc-4.0"),
        ("cc_by_4.0", "cc-by-4.0"),
        ("llama-3.1", "llama3.1"),
        ("Llama 3.1 Community License Agreement", "llama3.1"),
        ("google-gemma-terms-of-use", "gemma"),
        ("CreativeML Open RAIL-M", "creativeml-openrail-m"),
        ("openrail++", "openrail++"),
    ],
)
def test_spellings_of_people(text: str, id_: str) -> None:
    assert find(text) is known()[id_]


@pytest.mark.parametrize(
    "text", ["apache-1.1", "MIT or Apache-2.0", "gpl-3.0 with exceptions", "qwen", "v2", "4.0"]
)
def test_what_only_looks_alike_is_unknown(text: str) -> None:
    found = find(text)
    assert (found.id, found.listed, found.kind) == (text, False, Kind.UNKNOWN)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("cc-by-nc-nd", Kind.NO_DERIVATIVES),
        ("CC-BY-ND-3.0", Kind.NO_DERIVATIVES),
        ("cc by-nc-sa 2.5", Kind.NONCOMMERCIAL),
        ("cc-by-sa-2.0", Kind.COPYLEFT),
        ("cc-by", Kind.ATTRIBUTION),
        ("cc-by-land", Kind.UNKNOWN),
    ],
)
def test_creative_commons_says_what_it_is(text: str, kind: Kind) -> None:
    found = find(text)
    assert (found.kind, found.listed) == (kind, False)
