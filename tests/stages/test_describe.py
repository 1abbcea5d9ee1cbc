"""The card of a run, from adapter and base to the rerun after people wrote in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from adapter_merge import assemble
from adapter_merge.errors import NotFound
from adapter_merge.finding import Outcome
from adapter_merge.readme import Readme
from adapter_merge.request import RepoRef, Settings
from tests.build import Case, change_json, contents, debris, make_case

BASE_CARD = "---\nlicense: apache-2.0\nlanguage: en\n---\n# Base\n\n```bibtex\n@misc{base}\n```\n"
ADAPTER_CARD = """\
---
library_name: peft
base_model: /content/base
tags: [lora, mine]
license: mit
metrics: [f1]
---
# My adapter

It knows things. <script>alert(1)</script>

<!-- adapter-merge:begin -->{{ 7 * 7 }}
"""


@pytest.fixture
def case(tmp_path: Path) -> Case:
    case = make_case(tmp_path)
    (case.base / "README.md").write_text(BASE_CARD)
    (case.adapter / "README.md").write_text(ADAPTER_CARD)
    change_json(case.adapter / "adapter_config.json", base_model_name_or_path="org/base")
    return case


def card(case: Case) -> Readme:
    return Readme.parse((case.to / "README.md").read_text())


def codes(case: Case, outcome: Outcome, dtype: str = "keep") -> set[str]:
    found = case.run(dtype=dtype).findings
    return {f.code for f in found if f.outcome is outcome and f.code[0] == "C"}


def test_an_adapter_s_card_that_lies_is_repaired(case: Case) -> None:
    assert codes(case, Outcome.PASS) == {"C001", "C002", "C003", "C004"}
    made = card(case)
    assert made.metadata == {
        "base_model": "org/base",
        "base_model_relation": "finetune",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "license": "apache-2.0",
        "language": ["en"],
        "tags": ["mine", "adapter-merge"],
        "metrics": ["f1"],
    }
    assert "# My adapter\n\nIt knows things." in made.body
    assert "<script>" not in made.body
    assert "{{ 7 * 7 }}" in made.body
    assert "@misc{base}" in made.body
    assert made.body.count("adapter-merge:begin") == 1


def test_the_receipt_has_the_card_s_findings_and_the_card_has_not(case: Case) -> None:
    case.run()
    assert {f.code for f in case.receipt().findings} > {"C001", "T005", "L001"}
    assert "| C001 |" not in card(case).body
    assert "| T005 |" in card(case).body


@pytest.mark.parametrize("source", ["base", "adapter"])
def test_a_source_s_new_words_change_the_card_alone(case: Case, source: str) -> None:
    case.run()
    before = contents(case.to)
    readme = getattr(case, source) / "README.md"
    readme.write_text(
        readme.read_text().replace("license: ", "pipeline_tag: summarization\nlicense: ")
    )
    assert case.run().status == "unchanged"
    after = contents(case.to)
    assert {p for p in after if after[p] != before.get(p)} == {"README.md"}
    assert card(case).metadata["pipeline_tag"] == "summarization"
    assert debris(case.to.parent) == []


def test_a_source_s_new_licence_is_judged_anew(case: Case) -> None:
    (case.base / "README.md").unlink()
    case.run()
    assert "| skip | L001 |" in card(case).body
    (case.base / "README.md").write_text("---\nlicense: llama3.2\n---\n")
    report = case.run()
    assert report.status == "unchanged"
    found = {f.code: f.outcome for f in report.findings if f.code[0] == "L"}
    assert (found["L001"], found["L005"]) == (Outcome.PASS, Outcome.WARN)
    assert "| L001 | `llama3.2`, the base's |" in card(case).body
    assert "| warn | L005 |" in card(case).body
    error = case.run(strict=("L005",)).error
    assert error is not None
    assert error.type == "CheckFailed"


def test_a_rerun_keeps_what_people_wrote(case: Case) -> None:
    case.run()
    path = case.to / "README.md"
    edited = path.read_text().replace("license: apache-2.0", "license: mit\nthumbnail: x.png")
    path.write_text(edited.replace("It knows things.", "It knows **all**.") + "\n## Thanks\n")
    case.run()
    once = path.read_text()
    assert yaml.safe_load(card(case).front)["license"] == "apache-2.0"
    assert card(case).metadata["thumbnail"] == "x.png"
    assert "It knows **all**." in once
    assert once.endswith("## Thanks\n")
    case.run()
    assert path.read_text() == once


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_ends_stay_as_people_have_them(case: Case, ending: str) -> None:
    case.run()
    path = case.to / "README.md"
    theirs = path.read_bytes().replace(b"\n", ending.encode())
    path.write_bytes(theirs)
    assert case.run().status == "unchanged"
    assert path.read_bytes() == theirs
    assert case.run(dtype="bf16").status == "merged"
    after = path.read_bytes()
    assert after != theirs
    assert after.replace(b"\r\n", b"\n").count(b"\n") == after.count(ending.encode())


@pytest.mark.parametrize("text", [b"na\xefve", b"word " * 300_000], ids=["Latin-1", "long"])
def test_what_would_not_survive_a_rerun_stops_it(case: Case, text: bytes) -> None:
    case.run()
    path = case.to / "README.md"
    theirs = path.read_bytes() + text
    path.write_bytes(theirs)
    error = case.run().error
    assert error is not None
    assert (error.type, error.code) == ("MergeError", 6)
    assert path.read_bytes() == theirs
    report = assemble.check(
        RepoRef.model_validate(str(case.to)),
        base=RepoRef.model_validate(str(case.base)),
        adapters=case.request().adapters,
        settings=Settings(),
    )
    assert report.status == "done"


def test_a_pipe_in_the_card_s_place_is_not_waited_for(case: Case) -> None:
    case.run()
    (case.to / "README.md").unlink()
    os.mkfifo(case.to / "README.md")
    error = case.run().error
    assert error is not None
    assert (error.type, "it is no file" in error.message) == ("MergeError", True)


def test_metadata_that_people_broke_is_not_thrown_away(case: Case) -> None:
    case.run()
    path = case.to / "README.md"
    path.write_text(path.read_text().replace("---\n", "---\nmine: keep: me\n", 1))
    assert codes(case, Outcome.WARN, dtype="bf16") >= {"C001"}
    assert "mine: keep: me" in path.read_text()


def test_html_that_people_wrote_in_the_result_only_warns(case: Case) -> None:
    case.run()
    path = case.to / "README.md"
    path.write_text(path.read_text() + "\n<iframe src='https://x.org'></iframe>\n")
    assert codes(case, Outcome.WARN, dtype="bf16") == {"C003"}
    assert "<iframe" in path.read_text()


def test_a_card_that_is_gone_comes_back(case: Case) -> None:
    case.run()
    before = contents(case.to)
    (case.to / "README.md").unlink()
    assert case.run().status == "unchanged"
    assert contents(case.to) == before


def test_the_body_can_be_another_or_none(case: Case) -> None:
    mine = case.to.parent / "mine.md"
    mine.write_text("# Mine\n")
    case.run(card_body=str(mine))
    assert "# Mine" in card(case).body
    case.run(card_body="none", to=str(case.to.parent / "other"))
    assert "# other" in (case.to.parent / "other" / "README.md").read_text()


def test_a_body_that_is_not_there_stops_before_the_merge(case: Case) -> None:
    error = case.run(card_body="./nowhere.md").error
    assert error is not None
    assert (error.type, error.code) == ("RequestError", 2)
    assert not case.to.exists()


def test_the_card_is_printed_anew_from_the_folder_alone(case: Case) -> None:
    case.run()
    folder = RepoRef.model_validate(str(case.to))
    standing = (case.to / "README.md").read_text()
    assert assemble.card(folder) == standing
    damaged = standing.replace("How it was merged", "How it was spoilt")
    (case.to / "README.md").write_text(damaged)
    assert assemble.card(folder) == standing
    assert (case.to / "README.md").read_text() == damaged


def test_a_licence_of_the_adapter_is_printed_as_the_adapter_s(case: Case) -> None:
    readme = case.adapter / "README.md"
    readme.write_text(readme.read_text().replace("license: mit", "license: cc-by-nc-4.0"))
    case.run()
    assert "as stated by an adapter" in card(case).body
    folder = RepoRef.model_validate(str(case.to))
    assert assemble.card(folder) == (case.to / "README.md").read_text()


def test_a_folder_without_a_receipt_has_no_card_of_ours(case: Case) -> None:
    with pytest.raises(NotFound, match="receipt"):
        assemble.card(RepoRef.model_validate(str(case.base)))


def test_a_card_that_cannot_be_right_seals_nothing(case: Case) -> None:
    report = case.run(strict=("C004",), base=str(case.base.rename(case.base.with_name("Other-7B"))))
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("CheckFailed", 7)
    assert not case.to.exists()
    assert debris(case.to.parent) == []
