from __future__ import annotations

import pytest
import yaml

from adapter_merge.card.front import front
from adapter_merge.readme import Readme

KEYS = {"base_model": "org/base", "license": "mit", "tags": ["x", "adapter-merge"]}


def standing(text: str) -> Readme:
    return Readme.parse(f"---\n{text}\n---\n# Mine\n")


def test_a_first_card_has_our_keys_in_their_order() -> None:
    text = front({**KEYS, "widget": [{"text": "a"}]}, None)
    assert text == (
        "base_model: org/base\nlicense: mit\ntags:\n- x\n- adapter-merge\nwidget:\n- text: a\n"
    )


def test_a_rerun_writes_our_keys_and_keeps_all_else() -> None:
    text = front(
        KEYS,
        standing(
            "# one\nmine:   [1,  2]\n# two: x\nbase_model: old/base\nextra: |\n  a\n\n  b\n# end"
        ),
    )
    assert text == (
        "license: mit\ntags:\n- x\n- adapter-merge\n"
        "# one\nmine:   [1,  2]\n# two: x\nbase_model: org/base\nextra: |\n  a\n\n  b\n# end\n"
    )
    assert yaml.safe_load(text) == {**KEYS, "mine": [1, 2], "extra": "a\n\nb\n"}


def test_a_second_rerun_changes_nothing() -> None:
    once = front(KEYS, standing("mine: 1\ntags: [y]"))
    assert front(KEYS, standing(once.rstrip())) == once


def test_tags_of_people_stay_and_wrong_ones_go() -> None:
    text = front(KEYS, standing("tags:\n- mine\n- peft\n- lora"))
    assert yaml.safe_load(text)["tags"] == ["mine", "x", "adapter-merge"]


def test_what_we_cannot_tell_stays_as_people_wrote_it() -> None:
    text = front({"library_name": "transformers"}, standing("base_model: their/base\nlicense: mit"))
    assert yaml.safe_load(text)["base_model"] == "their/base"
    assert yaml.safe_load(text)["license"] == "mit"


def test_a_licence_takes_its_old_name_and_link_along() -> None:
    text = front(KEYS, standing("license: other\nlicense_name: x\nlicense_link: y"))
    assert yaml.safe_load(text).keys() == KEYS.keys()


@pytest.mark.parametrize("text", ["{a: 1, license: other}", '"a b": 1\nlicense: other', ""])
def test_metadata_that_lines_do_not_tell_apart_is_written_anew(text: str) -> None:
    before = standing(text)
    after = yaml.safe_load(front(KEYS, before))
    assert after == {**before.metadata, **KEYS}


def test_characters_that_only_python_takes_for_line_ends_stay() -> None:
    text = 'mine: "a\u2028b"\ntheirs: x'
    assert front({}, standing(text)) == f"{text}\n"


def test_metadata_that_cannot_be_parsed_is_not_thrown_away() -> None:
    text = "mine: 1\nbad: a: b\nlicense: mit"
    assert front(KEYS, standing(text)) == f"{text}\n"


def test_values_that_yaml_would_misread_are_quoted() -> None:
    text = front({"language": ["no", "on"], "license_name": "1.0: x # y"}, None)
    assert yaml.safe_load(text) == {"language": ["no", "on"], "license_name": "1.0: x # y"}
