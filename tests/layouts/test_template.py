from __future__ import annotations

import pytest

from adapter_merge.errors import Corrupt
from adapter_merge.layouts import Wishes
from tests.layouts.tiny import Files, MakeSide, contents

VOCABULARY = {"vocab.txt": "a\nb\n"}
OTHER_VOCABULARY = {"vocab.txt": "a\nc\n"}
CONFIG = "tokenizer_config.json"
JINJA = "chat_template.jinja"
LEGACY = "chat_template.json"
PROCESSOR = "preprocessor_config.json"
RAG = "additional_chat_templates/rag.jinja"
NAMED = [{"name": "default", "template": "new"}, {"name": "rag", "template": "new rag"}]


def in_config(text: object) -> Files:
    return {CONFIG: {"chat_template": text}}


@pytest.mark.parametrize(
    ("base", "adapter", "expected"),
    [
        pytest.param(
            {**VOCABULARY, **in_config("old")},
            {**VOCABULARY, **in_config("new")},
            {CONFIG: {"chat_template": "new"}, JINJA: "new"},
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
            {CONFIG: {"k": 1, "chat_template": "new"}, JINJA: "new"},
            id="file over file",
        ),
        pytest.param(
            {**VOCABULARY, JINJA: "old"},
            {**OTHER_VOCABULARY, CONFIG: {"k": 1, "chat_template": "new"}},
            {CONFIG: {"k": 1, "chat_template": "new"}, JINJA: "new"},
            id="another tokenizer with a template",
        ),
        pytest.param(
            {**VOCABULARY, JINJA: "old"},
            {**OTHER_VOCABULARY, CONFIG: {}},
            {CONFIG: {"chat_template": "old"}, JINJA: "old"},
            id="another tokenizer without one",
        ),
        pytest.param(
            {**VOCABULARY, **in_config("old")},
            {**OTHER_VOCABULARY, CONFIG: {}},
            {CONFIG: {"chat_template": "old"}, JINJA: "old"},
            id="another tokenizer, the base's template in the lost config",
        ),
        pytest.param(
            {**VOCABULARY, **in_config("same")},
            {**OTHER_VOCABULARY, JINJA: "same"},
            {CONFIG: {"chat_template": "same"}, JINJA: "same"},
            id="another tokenizer with the same template",
        ),
        pytest.param(
            {**VOCABULARY, **in_config("same")},
            {**OTHER_VOCABULARY, **in_config("same")},
            {CONFIG: {"chat_template": "same"}, JINJA: "same"},
            id="another tokenizer with the same template in its config",
        ),
        pytest.param(
            {**VOCABULARY, **in_config("same")},
            {**VOCABULARY, JINJA: "same"},
            {CONFIG: {"chat_template": "same"}, JINJA: "same"},
            id="same template in another place",
        ),
        pytest.param(
            {**VOCABULARY, **in_config("old")},
            in_config("new"),
            {CONFIG: {"chat_template": "old"}, JINJA: "old"},
            id="a tokenizer without vocabulary",
        ),
        pytest.param(
            {**VOCABULARY, **in_config("only")},
            {},
            {CONFIG: {"chat_template": "only"}, JINJA: "only"},
            id="a base alone, in its config",
        ),
        pytest.param(
            {**VOCABULARY, JINJA: "only"},
            {},
            {CONFIG: {"chat_template": "only"}, JINJA: "only"},
            id="a base alone, in a file",
        ),
        pytest.param(
            {"config.json": {}, JINJA: "only"},
            {},
            {CONFIG: None, JINJA: "only"},
            id="a base without a tokenizer",
        ),
        pytest.param(
            {**VOCABULARY, PROCESSOR: {}, LEGACY: {"chat_template": "read"}, JINJA: "not read"},
            {},
            {CONFIG: {"chat_template": "read"}, JINJA: "read", LEGACY: {"chat_template": "read"}},
            id="two files beside a processor",
        ),
        pytest.param(
            {**VOCABULARY, LEGACY: {"chat_template": "not read"}, JINJA: "read"},
            {},
            {CONFIG: {"chat_template": "read"}, JINJA: "read"},
            id="two files without a processor",
        ),
        pytest.param(
            {**VOCABULARY, LEGACY: {"chat_template": None}, **in_config("read")},
            {},
            {CONFIG: {"chat_template": "read"}, JINJA: "read"},
            id="a legacy file that says nothing",
        ),
        pytest.param(
            {**VOCABULARY, JINJA: "old"},
            {**VOCABULARY, **in_config(NAMED)},
            {CONFIG: {"chat_template": NAMED}, JINJA: "new", RAG: "new rag"},
            id="named templates over a file",
        ),
        pytest.param(
            {**VOCABULARY, **in_config(NAMED)},
            {**OTHER_VOCABULARY, CONFIG: {}},
            {CONFIG: {"chat_template": NAMED}, JINJA: "new", RAG: "new rag"},
            id="named templates in the lost config",
        ),
        pytest.param(
            {**VOCABULARY, **in_config(NAMED), JINJA: "read"},
            {},
            {CONFIG: {"chat_template": "read"}, JINJA: "read", RAG: None},
            id="named templates that a file hides",
        ),
        pytest.param(
            {**VOCABULARY, **in_config([*NAMED, {"name": "../../x", "template": "y"}])},
            {},
            {JINJA: None, RAG: None, "../../x.jinja": None},
            id="a name that is no file's",
        ),
        pytest.param(
            {**VOCABULARY, **in_config([1, {"name": "default"}])},
            {},
            {CONFIG: {"chat_template": [1, {"name": "default"}]}, JINJA: None},
            id="a list of something else",
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
    side = make_side({JINJA: "old", RAG: "old rag"}, {JINJA: "old", RAG: "new rag"})
    assert contents(side)[RAG] == "new rag"


def test_the_template_of_the_request_takes_the_place_of_all(make_side: MakeSide) -> None:
    base = {**VOCABULARY, JINJA: "old", LEGACY: {"chat_template": "old"}, RAG: "old rag"}
    side = make_side(base, {JINJA: "new"}, wishes=Wishes(chat_template="given"))
    found = contents(side)
    assert (found[JINJA], found[CONFIG]) == ("given", {"chat_template": "given"})
    assert not {LEGACY, RAG} & set(found)
    assert {f.path for f in side.left_behind if "`--chat-template`" in f.why} == {
        JINJA,
        LEGACY,
        RAG,
    }
    assert {(c.subject, c.before, c.after) for c in side.changes} == {
        (f"{CONFIG}: chat_template", None, "given"),
        (JINJA, "old", "given"),
    }


def test_a_given_template_that_is_the_base_s_changes_nothing(make_side: MakeSide) -> None:
    base = {**VOCABULARY, JINJA: "x", **in_config("x")}
    side = make_side(base, {JINJA: "new"}, wishes=Wishes(chat_template="x"))
    assert contents(side)[JINJA] == "x"
    assert side.changes == ()


def test_files_that_say_so_already_are_copied(make_side: MakeSide) -> None:
    side = make_side({**VOCABULARY, JINJA: "x", **in_config("x")})
    assert side.changes == ()
    assert all(f.content is None for f in side.files)


@pytest.mark.parametrize("path", [JINJA, RAG])
def test_a_template_that_is_no_text_is_corrupt(make_side: MakeSide, path: str) -> None:
    with pytest.raises(Corrupt, match="UTF-8"):
        make_side({path: b"\xff"})
