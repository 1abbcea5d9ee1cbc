"""The table of "How a merge is proved" has a row for all that is measured, and codes and gates that exist."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from adapter_merge.checks import ALL_CHECKS
from adapter_merge.checks.outputs import LOST, SWALLOWED
from adapter_merge.figures import percent
from adapter_merge.probed import EXERCISED, NOISE

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "concepts" / "how-a-merge-is-proved.md").read_text(encoding="utf-8")
CODE = re.compile(r"\b[FTECLD]\d{3}\b")


@pytest.fixture(scope="module")
def fidelity() -> Iterator[Any]:
    """The script, as a module."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        yield importlib.import_module("fidelity")
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="module")
def rows(fidelity: Any) -> Mapping[str, str]:
    """What it is called -> its row, as it stands between the marks."""
    assert (PAGE.count(fidelity.BEGIN), PAGE.count(fidelity.END)) == (1, 1)
    table = PAGE.partition(fidelity.BEGIN)[2].partition(fidelity.END)[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return {line.split("|")[1].strip(): line for line in lines[1:]}


def test_every_merge_and_every_fault_has_its_row(fidelity: Any, rows: Mapping[str, str]) -> None:
    assert list(rows) == [*fidelity.DTYPES.values(), *fidelity.FAULTS]


def test_every_fault_is_found_and_no_good_merge_is(fidelity: Any, rows: Mapping[str, str]) -> None:
    found = {name: set(CODE.findall(row)) for name, row in rows.items()}
    assert all(found[name] for name in fidelity.FAULTS)
    assert not any(found[name] for name in fidelity.DTYPES.values())


def test_every_code_that_the_page_names_exists() -> None:
    named = set(CODE.findall(PAGE))
    assert named
    assert named <= {check.code for check in ALL_CHECKS}


@pytest.mark.parametrize("gate", [NOISE, LOST, EXERCISED * NOISE, SWALLOWED])
def test_the_gates_of_the_page_are_those_of_the_checks(gate: float) -> None:
    assert f" {percent(gate)} of" in PAGE


def test_a_table_is_put_between_the_marks_and_nowhere_else(fidelity: Any) -> None:
    page = f"before\n{fidelity.BEGIN}\nold\n{fidelity.END}\nafter\n"
    assert fidelity.put("new", page) == page.replace("old", "new")
