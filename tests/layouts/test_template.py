from __future__ import annotations

import pytest

from tests.layouts.tiny import Files, MakeSide, contents

VOCABULARY = {"vocab.txt": "a\nb\n"}
OTHER_VOCABULARY = {"vocab.txt": "a\nc\n"}
CONFIG = "tokenizer_config.json"
JINJA = "chat_template.jinja"
LEGACY = "chat_template.json"


def in_config(text: object) -> Files:
    return {CONFIG: {"chat_template": text}}


@pytest.mark.parametrize(
    ("base", "adapter", "expected"),
    [
        pytest.param(
            {**VOCABULARY, **in_config("old")},
            {**VOCABULARY, **in_config("new")},
            {CONFIG: {"chat_template": "new"}, JINJA: None},
            id="config over config",
        ),
        pytest.param(
            {**VOCABULARY, JINJA: "old"},
            {**VOCABULARY, **in_config("new")},
            {CONFIG: {"chat_template": "new"}, JINJA: "new"},
            id="config over file",
        ),
        pytest.param(
            {**VOCABULARY, LEGACY: {"chat_template": "old"}},
            {**VOCABULARY, **in_config("new")},
            {CONFIG: {"chat_template": "new"}, JINJA: "new", LEGACY: None},
            id="config over legacy file",
        ),
        pytest.param(
            {**VOCABULARY, **in_config("old")},
            {**VOCABULARY, JINJA: "new"},
            {CONFIG: {"chat_template": "new"}, JINJA: "new"},
            id="file over config",
        ),
        pytest.param(
            {**VOCABULARY, CONFIG: {"k": 1}, JINJA: "old"},
            {JINJA: "new"},
            {CONFIG: {"k": 1}, JINJA: "new"},
            id="file over file",
        ),
        pytest.param(
            {**VOCABULARY, JINJA: "old"},
            {**OTHER_VOCABULARY, CONFIG: {"k": 1, "chat_template": "new"}},
            {CONFIG: {"k": 1, "chat_template": "new"}, JINJA: None},
            id="another tokenizer with a template",
        ),
        pytest.param(
            {**VOCABULARY, JINJA: "old"},
            {**OTHER_VOCABULARY, CONFIG: {}},
            {CONFIG: {}, JINJA: "old"},
            id="another tokenizer without one",
        ),
        pytest.param(
            {**VOCABULARY, **in_config("old")},
            {**OTHER_VOCABULARY, CONFIG: {}},
            {CONFIG: {}, JINJA: "old"},
            id="another tokenizer, the base's template in the lost config",
        ),
        pytest.param(
            {**VOCABULARY, **in_config("same")},
            {**OTHER_VOCABULARY, JINJA: "same"},
            {CONFIG: None, JINJA: "same"},
            id="another tokenizer with the same template",
        ),
        pytest.param(
            {**VOCABULARY, **in_config("same")},
            {**OTHER_VOCABULARY, **in_config("same")},
            {CONFIG: {"chat_template": "same"}, JINJA: None},
            id="another tokenizer with the same template in its config",
        ),
        pytest.param(
            {**VOCABULARY, **in_config("same")},
            {**VOCABULARY, JINJA: "same"},
            {CONFIG: {"chat_template": "same"}, JINJA: None},
            id="same template in another place",
        ),
        pytest.param(
            {**VOCABULARY, **in_config("old")},
            in_config("new"),
            {CONFIG: {"chat_template": "old"}, JINJA: None},
            id="a tokenizer without vocabulary",
        ),
        pytest.param(
            {**VOCABULARY, JINJA: "old"},
            {**VOCABULARY, **in_config([{"name": "default", "template": "new"}])},
            {CONFIG: {"chat_template": [{"name": "default", "template": "new"}]}, JINJA: None},
            id="named templates",
        ),
    ],
)
def test_one_template_counts_wherever_it_stands(
    make_side: MakeSide, base: Files, adapter: Files, expected: Files
) -> None:
    found = contents(make_side(base, adapter))
    assert {path: found.get(path) for path in expected} == expected


def test_the_change_of_a_template_is_declared(make_side: MakeSide) -> None:
    side = make_side({**VOCABULARY, JINJA: "old"}, {**VOCABULARY, **in_config("new")})
    assert {(c.subject, c.before, c.after) for c in side.changes} == {
        (f"{CONFIG}: chat_template", None, "new"),
        (JINJA, "old", "new"),
    }


def test_more_templates_come_with_their_family(make_side: MakeSide) -> None:
    extra = "additional_chat_templates/rag.jinja"
    side = make_side({JINJA: "old", extra: "old rag"}, {JINJA: "old", extra: "new rag"})
    assert contents(side)[extra] == "new rag"
