"""A new commit in which nothing that a merge reads has changed: no commit and no tag."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from adapter_merge.localhub import LocalHub
from tests.hub.whole import BASE, NEW, Kind, Runs, Target

_ONCE = Kind(again=False, proposes=False)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with LocalHub(tmp_path / "hub", xet=False) as hub:
        yield Runs(hub, tmp_path)


def tags(target: Target, runs: Runs) -> dict[str, str]:
    return {t.name: t.target_commit for t in runs.api.list_repo_refs(target.name).tags}


@pytest.mark.parametrize(
    ("repo", "path"),
    [
        (NEW, "training_notes.txt"),
        (NEW, "logs/events.out"),
        (NEW, ".gitattributes"),
        (BASE, ".gitattributes"),
        (BASE, "model-q4.gguf"),
    ],
)
def test_a_commit_without_anything_that_is_read_changes_nothing(
    repo: str, path: str, runs: Runs
) -> None:
    target = runs.target(_ONCE)
    assert target.run().status == "merged"
    head, told = runs.hub.head(target.name), tags(target, runs)
    assert len(told) == 1
    source = runs.hub.head(repo)
    runs.api.upload_file(
        repo_id=repo, path_or_fileobj=b"new\n", path_in_repo=path, commit_message="Notes"
    )
    assert runs.hub.head(repo) != source
    before = len(runs.hub.requests)
    report = target.run()
    assert (report.status, report.error) == ("unchanged", None)
    assert runs.hub.head(target.name) == head
    assert tags(target, runs) == told
    made = runs.hub.requests[before:]
    assert [r.path for r in made if r.method not in {"GET", "HEAD"}] == []


def test_a_commit_that_changes_a_value_is_merged(runs: Runs) -> None:
    target = runs.target(_ONCE)
    assert target.run().status == "merged"
    runs.change(alpha=16)
    assert target.run().status == "merged"
    assert len(tags(target, runs)) == 2
