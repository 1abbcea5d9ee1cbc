"""Which entries a pattern, or a repository that was pushed to, means."""

from __future__ import annotations

import pytest

from adapter_merge.merges import Wanted, roster_of

LIST = b"""\
merges:
- {adapter: Org/one@v1, to: org/a}
- {adapter: [org/one/last, org/two=0.5], to: org/b}
- {adapter: ./one, to: org/c}
"""


def _labels(entries: list[Wanted]) -> str:
    return "".join(e.label[-1] for e in entries)


@pytest.mark.parametrize(
    ("repo", "labels"),
    [("org/one", "ab"), ("org/two", "b"), ("org/one/last", ""), ("./one", ""), ("org/*", "")],
)
def test_a_repository_means_what_reads_it(repo: str, labels: str) -> None:
    entries = roster_of(LIST).entries
    assert _labels([e for e in entries if e.reads(repo)]) == labels


@pytest.mark.parametrize(
    ("glob", "labels"),
    [
        ("Org/one", "a"),
        ("org/one", "b"),
        ("org/one/last", "b"),
        ("org/t*", "b"),
        ("org/?", "abc"),
        ("./*", "c"),
    ],
)
def test_a_pattern_means_targets_adapters_and_their_repositories(glob: str, labels: str) -> None:
    entries = roster_of(LIST).entries
    assert _labels([e for e in entries if e.fits(glob)]) == labels
