"""The measure of properties finds one that takes too much."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import cost


@settings(max_examples=5, deadline=None)
@given(st.integers())
def modest(_n: int) -> None:
    pass


@settings(max_examples=5, deadline=None)
@given(st.integers())
def greedy(_n: int) -> None:
    bytearray(b"x") * 250_000_000


def test_cases_are_counted() -> None:
    with contextmanager(cost.measured)(modest) as found:
        modest()
    assert 0 < found.cases <= 5
    assert found.slowest <= found.seconds < 1


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux says the peak")
def test_too_much_memory_is_found() -> None:
    with (
        pytest.raises(AssertionError, match=r"most memory 25\d MB"),
        contextmanager(cost.measured)(greedy),
    ):
        greedy()


def test_a_slow_case_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "MOST_SECONDS", 0)
    with pytest.raises(AssertionError, match="slowest"), contextmanager(cost.measured)(modest):
        modest()
