"""Every test that the threat model names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "concepts" / "threat-model.md"
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_each_boundary_is_held_by_tests_that_exist() -> None:
    section = PAGE.read_text().partition("## Boundaries")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 5
    for row in rows:
        named = _TEST.findall(row)
        assert named, row
        for path, test in named:
            text = (ROOT / path).read_text()
            assert not test or f"def {test}(" in text, f"{path}::{test}"
