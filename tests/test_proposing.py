"""Results that are proposed to a Hub: once, whoever says that they proposed it, and not again where people said no."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from adapter_merge.readme import README
from adapter_merge.receipt import RECEIPT_NAME
from tests.publisher import TARGET, Publisher


def requests(publisher: Publisher) -> list[tuple[int, str]]:
    found = publisher.runs.api.get_repo_discussions(TARGET, discussion_type="pull_request")
    return sorted((d.num, d.status) for d in found)


def test_a_rerun_finds_its_pull_request_before_it_merges(publisher: Publisher) -> None:
    first = publisher(publish="pr").published
    assert first is not None
    before = len(publisher.runs.hub.requests)
    again = publisher(publish="pr")
    made = publisher.runs.hub.requests[before:]
    assert [r.path for r in made if r.method not in {"GET", "HEAD"}] == []
    assert not again.seconds.keys() & {"pull", "merge", "publish"}
    assert (again.status, again.reason) == ("unchanged", "pull request 1 proposes it")
    assert again.published is not None
    assert (again.published.pull_request, again.published.found) == (1, True)
    assert (again.published.commit, again.published.url) == (first.commit, first.url)
    assert first.url == f"{publisher.runs.hub.url}/{TARGET}/discussions/1"
    assert again.files
    assert requests(publisher) == [(1, "open")]


def test_what_waited_to_be_proposed_is_dropped_where_it_is(publisher: Publisher) -> None:
    publisher(publish="pr")
    machine = publisher.machine()
    assert publisher(machine, publish="none").waits is not None
    assert publisher(publish="pr").status == "unchanged"
    assert list(publisher.work.iterdir()) == []


def test_a_pull_request_in_which_people_wrote_is_the_same_one(publisher: Publisher) -> None:
    publisher(publish="pr")
    publisher.write({README: publisher.read(README, "refs/pr/1") + b"mine\n"}, "refs/pr/1")
    again = publisher(publish="pr")
    assert again.published is not None
    assert (again.published.pull_request, again.published.found) == (1, True)
    assert publisher.read(README, "refs/pr/1").endswith(b"mine\n")


def test_what_people_closed_is_not_proposed_again_unless_they_ask(publisher: Publisher) -> None:
    publisher(publish="pr")
    publisher.runs.api.change_discussion_status(TARGET, 1, new_status="closed")
    report = publisher(publish="pr")
    assert (report.status, report.error, report.published) == ("skipped", None, None)
    assert "pull request 1, which proposed it, was closed; `--rebuild`" in report.reason
    assert "merge" not in report.seconds
    report = publisher(publish="pr", rebuild=True)
    assert report.published is not None
    assert (report.status, report.published.pull_request) == ("merged", 2)
    assert requests(publisher) == [(1, "closed"), (2, "open")]


def test_another_adapter_is_proposed_beside_an_open_one(publisher: Publisher) -> None:
    publisher(publish="pr")
    publisher.runs.change(alpha=32)
    report = publisher(publish="pr")
    assert report.published is not None
    assert (report.status, report.published.pull_request) == ("merged", 2)


def test_nobody_has_proposed_anything(publisher: Publisher) -> None:
    publisher(publish="pr")
    nobody = publisher.machine(token=False).around.connected()
    assert list(nobody.proposals(TARGET)) == []
    (ours,) = publisher.machine().around.connected().proposals(TARGET)
    assert (ours.number, ours.is_open) == (1, True)


@pytest.mark.parametrize("closed", [False, True])
def test_a_stranger_who_proposes_our_receipt_stops_nothing(
    publisher: Publisher, *, closed: bool
) -> None:
    """Who knows the sources can write the receipt, and beside it what they like."""
    waits = Path(str(publisher(publish="none").waits))
    publisher.runs.api.create_repo(TARGET)
    publisher.runs.hub.add_user("mallory", "hf_mallory")
    theirs = HfApi(endpoint=publisher.runs.hub.url, token="hf_mallory")
    receipt = (waits / RECEIPT_NAME).read_bytes()
    files = {RECEIPT_NAME: receipt, "config.json": b"{}"}
    added = [CommitOperationAdd(path, content) for path, content in files.items()]
    theirs.create_commit(TARGET, added, commit_message="Merge", create_pr=True)
    if closed:
        publisher.runs.api.change_discussion_status(TARGET, 1, new_status="closed")
    report = publisher(publish="pr")
    assert report.published is not None
    assert (report.status, report.published.pull_request) == ("merged", 2)
