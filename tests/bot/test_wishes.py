"""What people ask of a bot that runs reaches it once, and whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_merge.bot import wishes


def test_a_pause_holds_until_it_is_over(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert not wishes.is_paused(state)
    assert [wishes.pause(state), wishes.pause(state)] == [True, False]
    assert wishes.is_paused(state)
    assert [wishes.resume(state), wishes.resume(state)] == [True, False]


def test_a_wish_is_taken_once(tmp_path: Path) -> None:
    assert wishes.retries(tmp_path) == ()
    for target in ("acme/two", "acme/one", "acme/two"):
        wishes.retry(tmp_path, target)
    assert wishes.retries(tmp_path) == ("acme/one", "acme/two")
    assert wishes.retries(tmp_path) == ()


def test_a_wish_that_is_still_written_is_not_taken(tmp_path: Path) -> None:
    wishes.retry(tmp_path, "acme/one")
    half = tmp_path / "retry" / ".acme--two"
    half.write_text("acm")
    assert wishes.retries(tmp_path) == ("acme/one",)
    assert half.exists()


@pytest.mark.parametrize("what", ["a folder", "no text"])
def test_what_cannot_be_taken_keeps_nobody_waiting(tmp_path: Path, what: str) -> None:
    wishes.lay(tmp_path)
    odd = tmp_path / "retry" / "acme--odd"
    if what == "a folder":
        odd.mkdir()
    else:
        odd.write_bytes(b"\xff\xfe")
    wishes.retry(tmp_path, "acme/one")
    assert wishes.retries(tmp_path) == ("acme/one",)
