from __future__ import annotations

from pathlib import Path

import pytest

from adapter_merge.card import first, people_text
from adapter_merge.errors import RequestError
from adapter_merge.stages.resolve import resolve
from tests.build import Case, make_case, write_adapter


@pytest.fixture
def case(tmp_path: Path) -> Case:
    case = make_case(tmp_path)
    write_adapter(tmp_path / "second")
    (tmp_path / "second" / "README.md").write_text("---\na: 1\n---\n# Second\n<script>x</script>\n")
    return case


def text(case: Case, wanted: str) -> str:
    second = str(case.adapter.parent / "second")
    return people_text(wanted, resolve(case.request(adapters=(str(case.adapter), second))).adapters)


def test_the_first_adapter_that_has_a_text_speaks(case: Case) -> None:
    assert text(case, "adapter") == "# Second"
    assert text(case, "none") == ""


def test_a_file_is_taken_as_its_writer_gives_it(case: Case) -> None:
    path = case.adapter.parent / "mine.md"
    path.write_text("---\na: 1\n---\n# Mine <b onclick=x>\n")
    assert text(case, str(path)) == "# Mine <b onclick=x>"


def test_the_card_of_an_earlier_result_gives_only_what_people_wrote(case: Case) -> None:
    path = case.adapter.parent / "mine.md"
    card = first("# Mine\n\nText.", line="old line", block="old block", title="t")
    path.write_text(f"---\na: 1\n---\n{card}")
    assert text(case, str(path)) == "# Mine\n\nText."


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_a_wrong_request(case: Case, content: bytes | None) -> None:
    path = case.adapter.parent / "mine.md"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RequestError, match=r"mine\.md") as caught:
        text(case, str(path))
    assert "`none`" in caught.value.hint
