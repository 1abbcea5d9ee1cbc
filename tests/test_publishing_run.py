"""Whole runs to a Hub that people write to: their words stay, and nothing is made twice or taken for another."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter_merge import sendoff
from adapter_merge.hub.edge import HubEdge
from adapter_merge.ports import Silent
from adapter_merge.publishing import Publishing
from adapter_merge.readme import MOST, README
from adapter_merge.remote import Publication, Sent
from adapter_merge.report import Report
from adapter_merge.request import RepoRef
from adapter_merge.work import alone_with
from tests.hub.whole import BASE, NEW, TOKEN
from tests.publisher import TARGET, Publisher, failed


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (b"words " * (MOST // 6), "more than 1,048,576 characters"),
        (b"words " * MOST, "more than 1,048,576 characters"),
        ("\N{GRINNING FACE}".encode() * (MOST + 1), "more than 1,048,576 characters"),
        (b"caf\xe9\n", "not UTF-8"),
    ],
    ids=["long", "very-long", "wide", "latin-1"],
)
@pytest.mark.parametrize("other", [False, True], ids=["same", "other"])
def test_words_that_can_not_be_taken_over_are_never_dropped(
    publisher: Publisher, words: bytes, why: str, *, other: bool
) -> None:
    assert publisher().status == "merged"
    card = publisher.read(README) + words
    publisher.write_raw(README, card)
    if other:
        publisher.runs.change(alpha=32)
    kind, code, message, hint = failed(publisher())
    assert (kind, code) == ("Refused", 8)
    assert f"`README.md` of `{TARGET}`" in message
    assert why in message
    assert "Mend it there" in hint
    assert publisher.read(README) == card


def test_who_reads_the_sources_need_not_see_a_private_target(publisher: Publisher) -> None:
    publisher.runs.hub.add_user("reader", "hf_reader")
    for status in ("merged", "unchanged"):
        report = publisher(publisher.machine("hf_reader", write=TOKEN), private=True)
        assert report.status == status, report.error


@pytest.mark.parametrize("path", ["config.json", "model.safetensors"])
def test_a_file_of_the_same_length_is_not_the_result(publisher: Publisher, path: str) -> None:
    assert publisher().status == "merged"
    content = publisher.read(path)
    publisher.write({path: content.replace(b"8", b"9", 1)})
    assert publisher.read(path) != content
    assert publisher().status == "merged"
    assert publisher.read(path) == content
    assert publisher().status == "unchanged"


def test_a_taken_tag_stops_a_run_before_its_work(publisher: Publisher) -> None:
    assert publisher(tag="v1").status == "merged"
    assert publisher(tag="v1").status == "unchanged"
    publisher.runs.change(alpha=32)
    report = publisher(tag="v1")
    assert failed(report)[:2] == ("Conflict", 8)
    assert "merge" not in report.seconds
    assert "pull" not in report.seconds


def test_a_tag_that_people_took_away_gives_no_second_one(publisher: Publisher) -> None:
    first = publisher()
    other = publisher(dtype="fp16")
    assert first.published is not None
    assert other.published is not None
    publisher.runs.api.delete_tag(TARGET, tag=str(first.published.tag))
    head = publisher.runs.hub.head(TARGET)
    assert publisher(dtype="fp16").status == "unchanged"
    assert publisher.runs.hub.head(TARGET) == head
    assert publisher.tags() == {other.published.tag: head}


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_lies_where_a_result_would_be_made_stays(
    publisher: Publisher, *, overwrite: bool
) -> None:
    mine = publisher.work / "bot--merged" / "thesis.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    kind, code, message, hint = failed(publisher(overwrite=overwrite))
    assert (kind, code) == ("TargetNotOurs", 8)
    assert f"`{mine.parent}`" in message
    assert "--work-dir" in hint
    assert mine.read_text() == "mine"


def test_branches_are_made_in_folders_of_their_own(publisher: Publisher) -> None:
    waits = {publisher(publish="none", branch=b).waits for b in (None, "x/y", "x--y")}
    assert len(waits) == 3


def test_a_kill_while_a_sent_result_is_removed_stops_no_later_run(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = shutil.rmtree

    def killed(path: Path, **_: Any) -> None:
        (Path(path) / "merge_receipt.json").unlink(missing_ok=True)

    monkeypatch.setattr(shutil, "rmtree", killed)
    assert publisher().status == "merged"
    monkeypatch.setattr(shutil, "rmtree", remove)
    publisher.runs.change(alpha=32)
    report = publisher()
    assert report.status == "merged", report.error
    assert list(publisher.work.iterdir()) == []


@pytest.mark.parametrize("other", [False, True], ids=["same", "other"])
def test_a_result_that_is_being_sent_is_no_other_runs(publisher: Publisher, *, other: bool) -> None:
    waits = Path(str(publisher(publish="none").waits))
    if other:
        publisher.runs.change(alpha=32)
    with alone_with(waits):
        kind, code, message, _ = failed(publisher())
    assert (kind, code) == ("MergeError", 6)
    assert f"another run is sending the result in `{waits}`" in message
    assert publisher().status == "merged"
    assert list(publisher.work.iterdir()) == []


def test_a_run_holds_what_it_sends(publisher: Publisher) -> None:
    meanwhile: list[Report] = []

    class Slow(HubEdge):
        def send(
            self, publication: Publication, advance: Callable[[int], None] | None = None
        ) -> Sent:
            meanwhile.append(publisher())
            return super().send(publication, advance)

    assert publisher(publisher.machine(edge=Slow)).status == "merged"
    assert [failed(report)[:2] for report in meanwhile] == [("MergeError", 6)]


def test_a_folder_is_not_sent_over_words_that_would_be_dropped(publisher: Publisher) -> None:
    waits = str(publisher(publish="none").waits)
    folder = Path(shutil.copytree(waits, publisher.work.parent / "kept"))
    assert publisher().status == "merged"
    card = publisher.read(README) + b"caf\xe9\n"
    publisher.write_raw(README, card)
    report = sendoff.publish(
        RepoRef.model_validate(str(folder)),
        RepoRef.model_validate(TARGET),
        Publishing(),
        overwrite=False,
        reporter=Silent(),
        machine=publisher.machine(),
    )
    assert failed(report)[:2] == ("Refused", 8)
    assert publisher.read(README) == card


def test_a_result_is_tagged_as_its_card_says_whatever_commit_holds_the_same_now(
    publisher: Publisher,
) -> None:
    made_of = publisher.runs.hub.head(NEW)
    assert publisher(publish="none").status == "merged"
    publisher.runs.api.upload_file(
        repo_id=NEW, path_or_fileobj=b"new\n", path_in_repo="notes.txt", commit_message="Notes"
    )
    assert publisher.runs.hub.head(NEW) != made_of
    report = publisher()
    assert report.published is not None
    assert "merge" not in report.seconds
    tag = f"merge-{made_of[:7]}"
    assert report.published.tag == tag
    assert publisher.tags() == {tag: report.published.commit}
    assert tag in publisher.read(README).decode()


def test_what_stands_unchanged_is_told_with_its_page(publisher: Publisher) -> None:
    first = publisher().published
    assert first is not None
    again = publisher()
    assert again.published is not None
    assert (again.status, again.published.found, again.published.moved) == ("unchanged", True, 0)
    assert (again.published.repo, again.published.commit) == (TARGET, first.commit)
    assert (again.published.url, again.published.tag) == (first.url, first.tag)
    assert again.published.visibility == "public"
    assert again.published.title == ""


def test_a_folder_that_says_not_who_may_read_it_gets_to_no_open_target(
    publisher: Publisher,
) -> None:
    assert publisher().status == "merged"
    adapter = str(publisher.runs.folder("adapter"))
    report = publisher(adapters=(adapter,), base=BASE, dtype="fp16")
    kind, code, message, hint = failed(report)
    assert (kind, code) == ("Refused", 8)
    assert "`adapter` is a folder, which doesn't say who may read it" in message
    assert "--public" in hint
    assert "merge" not in report.seconds
    report = publisher(adapters=(adapter,), base=BASE, dtype="fp16", public=True)
    assert report.status == "merged", report.error
