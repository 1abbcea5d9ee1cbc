"""Figures are written for people, and no finer than they are known."""

from __future__ import annotations

import math

import pytest

from adapter_merge.figures import (
    about,
    at_least,
    cosine,
    counted,
    guessed,
    middle,
    nbytes,
    number,
    percent,
    printable,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (90_868_376, "90.9 MB"),
        (5_000_000_000, "5.0 GB"),
        (7 * 10**12, "7.0 TB"),
    ],
)
def test_sizes_are_written_in_powers_of_a_thousand(count: int, text: str) -> None:
    assert nbytes(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (264_042_752, "260 MB"), (999_999_999, "1 GB"), (1_247_000_000, "1.2 GB")],
)
def test_a_guessed_size_has_two_digits(count: int, text: str) -> None:
    assert about(count) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (0.005678, "0.57 %"),
        (0.0301, "3 %"),
        (0.1249, "12 %"),
        (31.0, "3100 %"),
        (3.14e-7, "3.1e-05 %"),
        (math.nan, "not a number"),
    ],
)
def test_a_share_has_two_digits_that_count(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.5, "some seconds"),
        (11.2, "about 20 s"),
        (58, "about 1 min"),
        (1000, "about 17 min"),
        (9000, "about 3 h"),
    ],
)
def test_a_guessed_time_is_coarse(seconds: float, text: str) -> None:
    assert guessed(seconds) == text


def test_counts_agree_with_their_nouns() -> None:
    assert counted(1, "file") == "1 file"
    assert counted(7, "file") == "7 files"
    assert counted(2, "list of layers", "lists of layers") == "2 lists of layers"
    assert (number(16.0), number(0.5)) == ("16", "0.5")


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [("./short", 10, "./short"), ("/a/very/long/path", 10, "/a/…g/path"), ("abcdef", 6, "abcdef")],
)
def test_a_path_is_known_by_its_ends(text: str, limit: int, shown: str) -> None:
    assert middle(text, limit) == shown
    assert len(shown) <= limit


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("März [1]", "März [1]"),
        ("\x1b[2J\n", "\\x1b[2J\\n"),
        ("a\u202eb", "a\\u202eb"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_would_steer_a_terminal_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (1.0000001, "1"),
        (0.9999999999, "1"),
        (0.999999999, "0.999999999"),
        (0.9999981, "0.999998"),
        (0.61, "0.61"),
        (0.0, "0.00"),
        (-1.0, "-1.00"),
        (-1e300, "-1.00"),
        (math.inf, "1"),
        (math.nan, "not a number"),
    ],
)
def test_a_cosine_has_the_digits_that_tell_it_from_one(value: float, text: str) -> None:
    assert cosine(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 %"), (0.99999, "99.9 %"), (0.5, "50 %"), (0.0, "0 %"), (math.nan, "not a number")],
)
def test_all_is_said_of_all_alone(share: float, text: str) -> None:
    assert at_least(share) == text
