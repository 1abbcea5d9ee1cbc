"""A record in words, signs and addresses."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from adapter_merge.bot.order import Progress
from adapter_merge.bot.record import State
from adapter_merge.bot.web.pages.view import LOOKS, address, view
from tests.bot.web.pages.kept import COMMIT, EVERY, EVIL, FOLDER, MERGED, NOW, RUNNING, WAITING


def test_every_state_has_a_word_and_a_sign() -> None:
    assert set(LOOKS) == set(get_args(State))
    assert all(look.sign and look.word for look in LOOKS.values())
    assert len({look.word for look in LOOKS.values()}) == len(LOOKS)


@pytest.mark.parametrize("target", ["org/name", "Org_1/na.me-2", "a/report"])
def test_a_repository_has_its_own_address(target: str) -> None:
    assert address(target) == f"/merges/{target}"


@pytest.mark.parametrize(
    "target",
    ["./out", "../x", "/abs/x", "a/..", "./a/b", "hf://a/b", "a/b/c", "one", "a/b?c", "ü/b", EVIL],
)
def test_anything_else_is_called_by_its_digest(target: str) -> None:
    found = address(target)
    assert found.startswith("/merges/~/m")
    assert found.isascii()
    assert found.count("/") == 3


def test_no_two_share_an_address() -> None:
    assert len({address(r.target) for r in EVERY}) == len(EVERY)


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://huggingface.co/a/b", "https://huggingface.co/a/b"),
        ("http://127.0.0.1:8000/a/b", "http://127.0.0.1:8000/a/b"),
        ("javascript:alert(1)", None),
        (" javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("file:///etc/passwd", None),
        ("//elsewhere", None),
        ("https://", None),
        ("http://[", None),
        ("", None),
        (None, None),
    ],
)
def test_only_an_address_of_the_web_is_a_link(url: str | None, link: str | None) -> None:
    assert view(replace(MERGED, url=url), NOW).link == link


def test_commits_are_cut_short_and_kept_whole() -> None:
    (adapter,) = view(replace(MERGED, adapters=(f"a/b@{COMMIT}=0.5",)), NOW).adapters
    assert (adapter.short, adapter.whole) == ("a/b@c0ffee0=0.5", f"a/b@{COMMIT}=0.5")


@pytest.mark.parametrize(
    ("done", "total", "share", "words", "said"),
    [
        (0, 0, None, "merge", "merge"),
        (3, -1, None, "merge", "merge"),
        (0, 2000, 0.0, "merge: 0 %, 0 bytes of 2.0 kB", "merge, 0 %"),
        (1990, 2000, 0.995, "merge: 99 %, 2.0 kB of 2.0 kB", "merge, 90 %"),
        (9000, 2000, 1.0, "merge: 100 %, 9.0 kB of 2.0 kB", "merge, 100 %"),
    ],
)
def test_progress(done: int, total: int, share: float | None, words: str, said: str) -> None:
    progress = Progress(stage="merge", done=done, total=total)
    bar = view(replace(RUNNING, progress=progress), NOW).bar
    assert bar is not None
    assert (bar.share, bar.words, bar.said) == (share, words, said)


def test_only_a_run_has_progress() -> None:
    assert view(replace(RUNNING, state="failed"), NOW).bar is None


def test_what_lasts_is_told_from_what_happened() -> None:
    assert view(WAITING, NOW).at.words == "for 4 minutes"
    assert view(MERGED, NOW).at.words == "2 hours ago"
    assert view(FOLDER, NOW).at.words == "for 40 days"


def test_a_long_reason_keeps_both_ends_where_there_is_little_room() -> None:
    reason = f"the shapes of {'`x.weight`, ' * 60}don't fit. Name the base with `--base`."
    found = view(replace(MERGED, reason=reason), NOW)
    assert found.reason == reason
    assert len(found.brief) == 240
    assert found.brief.startswith("the shapes of x.weight, ")
    assert found.brief.endswith("don't fit. Name the base with --base.")
    assert view(MERGED, NOW).brief == MERGED.reason
