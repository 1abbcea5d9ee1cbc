"""Putting a result in its place: what people put there meanwhile is not ours to remove."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from adapter_merge.ports import Silent
from tests.build import Case, contents, debris, make_case


class Meanwhile(Silent):
    """Somebody who does something while the merge runs."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def working(self, stage: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        if stage == "merge":
            self._act()
        return super().working(stage, total)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("name", ["notes.txt", ".hidden"])
@pytest.mark.parametrize("stood", [True, False])
def test_a_file_that_came_meanwhile_stops_the_seal(case: Case, name: str, stood: bool) -> None:
    if stood:
        assert case.run().status == "merged"
    before = contents(case.to)
    report = case.run(Meanwhile(lambda: write(case.to / name, "mine")), dtype="bf16")
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("TargetNotOurs", 8)
    assert f"`{name}`" in report.error.message
    assert contents(case.to) == {**before, name: b"mine"}
    assert debris(case.to.parent) == []


def test_a_card_that_was_written_meanwhile_stays(case: Case) -> None:
    assert case.run().status == "merged"
    act = Meanwhile(lambda: write(case.to / "README.md", "# Mine"))
    assert case.run(act, dtype="bf16").status == "merged"
    card = (case.to / "README.md").read_text()
    assert card.count("# Mine") == card.count("adapter-merge:begin") == 1


def test_a_link_in_a_target_makes_it_foreign(case: Case) -> None:
    assert case.run().status == "merged"
    (case.to / "data").symlink_to(case.base, target_is_directory=True)
    error = case.run().error
    assert error is not None
    assert error.type == "TargetNotOurs"


def test_what_is_replaced_on_request_is_replaced_whole(case: Case) -> None:
    write(case.to / "theirs", "old")
    act = Meanwhile(lambda: write(case.to / "late", "new"))
    assert case.run(act, overwrite=True).status == "merged"
    assert set(contents(case.to)) == {*case.receipt().files, "README.md", "merge_receipt.json"}
