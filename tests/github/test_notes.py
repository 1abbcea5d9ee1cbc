"""What a release says: nobody is called who happens to be named in it."""

from __future__ import annotations

from pathlib import Path

from adapter_merge.finding import Finding, Outcome
from tests.github.steps import wish


def test_nobody_is_called(tmp_path: Path) -> None:
    said = Finding(
        code="L001",
        outcome=Outcome.WARN,
        subject="licence",
        message="ask @org/team, or me@example.com",
        evidence={},
    )
    block = wish(tmp_path / "assets", findings=(said,)).block
    assert "@org" not in block
    assert "@\N{WORD JOINER}org/team, or me@example.com" in block
