"""Which commit is merged, by a clock that is handed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapter_merge.merges import Terms
from adapter_merge.reconcile.ready import Waits, picked, spoken
from adapter_merge.remote import Commit

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
STEP = "Training in progress, step 500"


def commit(name: str, title: str, **ago: float) -> Commit:
    return Commit(id=name * 40, title=title, message="", date=NOW - timedelta(**ago))


def terms(**values: object) -> Terms:
    return Terms.model_validate({key.replace("_", "-"): value for key, value in values.items()})


@pytest.mark.parametrize(
    ("wanted", "head", "reason"),
    [
        (terms(), commit("a", "End of training", minutes=16), None),
        (terms(), commit("a", "End of training", minutes=14), "was pushed 14 min ago"),
        (terms(settle=0), commit("a", "End of training", seconds=0), None),
        (terms(settle="1h"), commit("a", "End of training", minutes=59), "stand still for 1 h"),
        (terms(), commit("a", STEP, hours=23), "commits with such a title are skipped"),
        (terms(), commit("a", STEP, hours=24), None),
        (terms(skip_commits="wip*"), commit("a", STEP, hours=1), None),
        (terms(skip_commits=["x", "wip*"]), commit("a", "wip", hours=1), "skipped for a day"),
        (terms(skip_commits=[]), commit("a", STEP, hours=1), None),
        (terms(when="push"), commit("a", "End of training", seconds=0), None),
        (terms(when="push"), commit("a", STEP, seconds=0), "skipped for a day"),
        # A clock that goes wrong somewhere makes nothing old.
        (terms(), commit("a", "End of training", minutes=-90), "was pushed 0 s ago"),
    ],
)
def test_a_head_is_merged_once_it_is_finished(
    wanted: Terms, head: Commit, reason: str | None
) -> None:
    found = picked(wanted, [head, commit("b", "older", days=9)], {}, now=NOW)
    if reason is None:
        assert found == head
    else:
        assert isinstance(found, Waits)
        assert reason in found.reason
        assert head.id[:7] in found.reason


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (terms(when="tag:v*"), "b"),
        (terms(when="tag:v1"), "c"),
        (terms(when="title:End of*"), "b"),
        (terms(when="title:*"), "a"),
        (terms(when="tag:w*"), "has no commit with a tag like `w*`"),
        (terms(when="title:Done"), "has no commit with a title like `Done`"),
    ],
)
def test_the_newest_with_such_a_name_is_merged_whatever_came_after_it(
    wanted: Terms, found: str
) -> None:
    commits = [
        commit("a", STEP, seconds=0),
        commit("b", "End of training", minutes=1),
        commit("c", "End of training", days=1),
    ]
    tags = {"v1": "c" * 40, "v2": "b" * 40, "other": "a" * 40}
    result = picked(wanted, commits, tags, now=NOW)
    if isinstance(result, Waits):
        assert result.reason == found
    else:
        assert result.id == found * 40


def test_a_repository_without_commits_waits() -> None:
    assert picked(terms(), [], {}, now=NOW) == Waits(reason="has no commit yet")


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=1), "1 min"),
        (timedelta(minutes=90), "90 min"),
        (timedelta(hours=30), "30 h"),
        (timedelta(days=3), "3 d"),
    ],
)
def test_times_are_rounded_down(time: timedelta, words: str) -> None:
    assert spoken(time) == words
