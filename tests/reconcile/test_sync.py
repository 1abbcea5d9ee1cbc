"""Syncs of a whole list on a Hub on loopback, with the real client."""

from __future__ import annotations

from datetime import timedelta

import pytest
import torch

from adapter_merge.errors import Interrupted
from adapter_merge.localhub import Fault, Status
from adapter_merge.reconcile import Decision, matrix
from adapter_merge.reconcile.decide import settings_of
from adapter_merge.report import Report
from adapter_merge.stages.draft import draft
from adapter_merge.stages.resolve import resolve
from adapter_merge.streaming import Chunk, OutputFile, Worker
from tests.build import change_json, make_case
from tests.reconcile.conftest import READER, Shelf

ONE = "- {adapter: bot/one, to: bot/one-merged}\n"
TWO = "- {adapter: bot/two, to: bot/two-merged}\n"
LOST = "- {adapter: bot/lost, to: bot/lost-merged}\n"
PROPOSED = "- {adapter: bot/one, to: bot/proposed, publish: pr}\n"


def statuses(found: dict[str, Report]) -> list[str]:
    return [report.status for report in found.values()]


def test_a_list_is_merged_once_and_a_failure_stops_nothing(shelf: Shelf) -> None:
    first = shelf.sync(LOST + ONE + TWO)
    assert statuses(first) == ["failed", "merged", "merged"]
    error = first["bot/lost-merged"].error
    assert error is not None
    assert error.type == "NotFound"
    before = shelf.requests()
    again = shelf.sync(LOST + ONE + TWO)
    assert statuses(again) == ["failed", "unchanged", "unchanged"]
    made = shelf.hub.requests[before:]
    assert not [r for r in made if r.method not in {"GET", "HEAD"}]
    for name in ("bot/one-merged", "bot/two-merged"):
        assert len(shelf.titles(name)) == 1
        assert again[name].reason == "the result that stands was made from the same"
        old, new = first[name].published, again[name].published
        assert old is not None
        assert new is not None
        assert (new.repo, new.commit, new.url, new.tag) == (name, old.commit, old.url, old.tag)


def test_a_small_file_of_the_same_length_is_not_the_result(shelf: Shelf) -> None:
    shelf.sync(ONE)
    config = shelf.hub.read("bot/one-merged", "config.json")
    shelf.write("bot/one-merged", "config.json", config.replace(b"8", b"9", 1))
    report = shelf.sync(ONE)["bot/one-merged"]
    assert report.status == "merged"
    assert report.reason == "files of the result are missing in the target, or others are there"
    assert shelf.hub.read("bot/one-merged", "config.json") == config
    assert statuses(shelf.sync(ONE)) == ["unchanged"]


@pytest.mark.parametrize(
    ("title", "later", "reason"),
    [
        ("Add", timedelta(minutes=10), "has to stand still for 15 min"),
        ("Training in progress, step 5", timedelta(hours=2), "skipped for a day"),
    ],
)
def test_what_is_not_ready_is_skipped_with_its_reason(
    shelf: Shelf, title: str, later: timedelta, reason: str
) -> None:
    shelf.adapter("bot/one", title, lora_alpha=4)
    report = shelf.sync(ONE, later=later)["bot/one-merged"]
    assert (report.status, report.error) == ("skipped", None)
    assert reason in report.reason
    assert shelf.sync(ONE, later=timedelta(days=2))["bot/one-merged"].status == "merged"


@pytest.mark.parametrize(
    ("gone", "reason"),
    [
        ("adapter_config.json", "has no `adapter_config.json` yet"),
        ("adapter_model.safetensors", "has no weights yet"),
    ],
)
def test_half_an_adapter_waits(shelf: Shelf, gone: str, reason: str) -> None:
    shelf.api.delete_file(gone, "bot/one")
    report = shelf.sync(ONE)["bot/one-merged"]
    assert report.status == "skipped"
    assert reason in report.reason


def test_weights_that_can_t_be_read_wait(shelf: Shelf) -> None:
    shelf.write("bot/one", "adapter_model.safetensors", b"half a file")
    report = shelf.sync(ONE)["bot/one-merged"]
    assert report.status == "skipped"
    assert "can't be read" in report.reason


def test_a_folder_that_isn_t_there_yet_waits(shelf: Shelf) -> None:
    report = shelf.sync("- {adapter: bot/one/last, to: bot/x}\n")["bot/x"]
    assert report.status == "skipped"
    assert "`bot/one` has no `last`" in report.reason.replace("folder ", "")


def test_the_newest_tag_is_merged_whatever_came_after_it(shelf: Shelf) -> None:
    tagged = shelf.hub.head("bot/one")
    entry = "- {adapter: bot/one, to: bot/one-merged, when: 'tag:v*'}\n"
    assert shelf.sync(entry)["bot/one-merged"].status == "skipped"
    shelf.api.create_tag("bot/one", tag="v1")
    shelf.adapter("bot/one", lora_alpha=4)
    assert shelf.sync(entry)["bot/one-merged"].status == "merged"
    assert shelf.receipt("bot/one-merged")["adapters"][0]["commit"] == tagged


def test_new_words_of_an_adapter_refresh_the_card_alone(shelf: Shelf) -> None:
    shelf.sync(ONE)
    shelf.write("bot/one", "README.md", b"---\nlanguage: de\n---\n# One\n")
    (decision,) = shelf.decisions(ONE)
    assert isinstance(decision, Decision)
    assert (decision.what, decision.same) == ("due", True)
    report = shelf.sync(ONE)["bot/one-merged"]
    assert report.status == "unchanged"
    assert report.reason.endswith("with the same contents")
    assert shelf.titles("bot/one-merged")[0].startswith("Refresh the model card")


def test_a_base_that_moved_is_told_and_followed_on_request(shelf: Shelf) -> None:
    shelf.sync(ONE)
    old = shelf.hub.head("bot/base")
    shelf.write("bot/base", "README.md", b"---\nlicense: mit\n---\n# New words\n")
    assert shelf.sync(ONE)["bot/one-merged"].notes == ()
    new = shelf.write("bot/base", "generation_config.json", b'{"temperature": 0.5}')
    report = shelf.sync(ONE)["bot/one-merged"]
    assert report.status == "unchanged"
    assert f"has changed since {old[:7]}, and is {new[:7]} now" in report.notes[0]
    # A new adapter is merged with the base that it had.
    shelf.adapter("bot/one", lora_alpha=4)
    (decision,) = shelf.decisions(ONE)
    assert isinstance(decision, Decision)
    assert (decision.what, decision.same) == ("due", False)
    report = shelf.sync(ONE)["bot/one-merged"]
    assert (report.status, len(report.notes)) == ("merged", 1)
    assert shelf.receipt("bot/one-merged")["base"]["commit"] == old
    followed = ONE.replace("}", ", follow-base: true}")
    report = shelf.sync(followed)["bot/one-merged"]
    assert (report.status, report.notes) == ("merged", ())
    assert shelf.receipt("bot/one-merged")["base"]["commit"] == new
    assert shelf.sync(followed)["bot/one-merged"].status == "unchanged"


def test_a_proposal_is_made_once_and_not_again_where_it_was_closed(shelf: Shelf) -> None:
    report = shelf.sync(PROPOSED)["bot/proposed"]
    assert report.published is not None
    assert (report.status, report.published.pull_request) == ("merged", 1)
    shelf.write("bot/one", "README.md", b"# New words\n")
    report = shelf.sync(PROPOSED)["bot/proposed"]
    assert (report.status, report.reason) == ("unchanged", "pull request 1 proposes it")
    assert report.published is not None
    assert report.published.url == f"{shelf.hub.url}/bot/proposed/discussions/1"
    shelf.api.change_discussion_status("bot/proposed", 1, new_status="closed")
    report = shelf.sync(PROPOSED)["bot/proposed"]
    assert report.status == "skipped"
    assert "pull request 1, which proposed it, was closed" in report.reason
    shelf.adapter("bot/one", lora_alpha=4)
    report = shelf.sync(PROPOSED)["bot/proposed"]
    assert report.published is not None
    assert report.published.pull_request == 2
    shelf.api.merge_pull_request("bot/proposed", 2)
    assert shelf.sync(PROPOSED)["bot/proposed"].status == "unchanged"


def test_rebuild_merges_what_stands(shelf: Shelf) -> None:
    shelf.sync(ONE)
    files = shelf.receipt("bot/one-merged")["files"]
    report = shelf.sync(ONE, rebuild=True)["bot/one-merged"]
    assert (report.status, report.reason) == ("merged", "it was asked to be made again")
    assert "merge" in report.seconds
    assert shelf.receipt("bot/one-merged")["files"] == files


def test_rebuild_waits_for_what_isn_t_ready(shelf: Shelf) -> None:
    shelf.sync(ONE)
    report = shelf.sync(ONE, rebuild=True, later=timedelta())["bot/one-merged"]
    assert report.status == "skipped"


def test_a_lost_tag_is_set_again(shelf: Shelf) -> None:
    shelf.sync(ONE)
    (tag,) = shelf.api.list_repo_refs("bot/one-merged").tags
    shelf.api.delete_tag("bot/one-merged", tag=tag.name)
    assert shelf.sync(ONE)["bot/one-merged"].reason.startswith("the result has no tag yet")
    assert [t.name for t in shelf.api.list_repo_refs("bot/one-merged").tags] == [tag.name]


def test_a_dry_run_plans_and_writes_nothing(shelf: Shelf) -> None:
    before = shelf.requests()
    wrong = "- {adapter: bot/two, to: bot/wrong, base: bot/one}\n"
    found = shelf.sync(ONE + wrong, dry=True)
    assert statuses(found) == ["done", "failed"]
    assert found["bot/one-merged"].counts["tensors_edited"] > 0
    made = shelf.hub.requests[before:]
    assert not [r for r in made if r.method not in {"GET", "HEAD"}]
    assert not shelf.api.repo_exists("bot/one-merged")


def test_merges_of_one_base_come_one_after_the_other(shelf: Shelf) -> None:
    shelf.add("bot/other", shelf.case.base)
    entries = "".join(
        f"- {{adapter: bot/{name}, to: bot/{to}, base: bot/{base}}}\n"
        for name, to, base in (
            ("one", "a", "base"),
            ("one", "b", "other"),
            ("two", "c", "base"),
            ("two", "d", "other"),
        )
    )
    seen: list[str] = []
    found = shelf.sync(entries, each=lambda report: seen.append(str(report.to)))
    assert seen == ["bot/a", "bot/c", "bot/b", "bot/d"]
    assert list(found) == ["bot/a", "bot/b", "bot/c", "bot/d"]


def test_a_stop_by_the_user_stops_the_rest(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("adapter_merge.pipeline.draft", stop)
    found = shelf.sync(ONE + TWO)
    error = found["bot/one-merged"].error
    assert error is not None
    assert error.code == Interrupted.exit_code
    assert found["bot/two-merged"].reason == "the run was stopped before"


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (OSError(5, "Input/output error"), "OSError"),
        (torch.cuda.OutOfMemoryError("CUDA out of memory."), "OutOfMemory"),
        (MemoryError(), "OutOfMemory"),
        (KeyError("a bug"), "KeyError"),
    ],
)
def test_whatever_goes_wrong_with_an_entry_is_its_failure_alone(
    wrong: Exception, kind: str, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, failed = Worker.handle, list[bool]()

    def fail_once(self: Worker, chunk: Chunk, output: OutputFile) -> None:
        if not failed:
            failed.append(True)
            raise wrong
        handle(self, chunk, output)

    monkeypatch.setattr(Worker, "handle", fail_once)
    found = shelf.sync(ONE + TWO)
    assert statuses(found) == ["failed", "merged"]
    error = found["bot/one-merged"].error
    assert error is not None
    assert error.type == kind
    assert error.hint


def test_a_hub_that_is_away_fails_an_entry_and_no_other(shelf: Shelf) -> None:
    shelf.hub.fail(Fault(on="/api/models/bot/one/commits/", does=Status(status=503), times=9))
    found = shelf.sync(ONE + TWO)
    assert statuses(found) == ["failed", "merged"]
    error = found["bot/one-merged"].error
    assert error is not None
    assert error.code == 9


def test_the_matrix_has_what_is_due_and_what_couldn_t_be_looked_at(shelf: Shelf) -> None:
    shelf.sync(ONE)
    jobs = matrix(shelf.decisions(ONE + TWO + LOST))
    assert jobs == {
        "include": [
            {"to": "bot/lost-merged", "adapter": "bot/lost", "base": ""},
            {"to": "bot/two-merged", "adapter": "bot/two", "base": "bot/base"},
        ]
    }


def test_a_folder_is_merged_into_a_folder(shelf: Shelf) -> None:
    case = make_case(shelf.root / "here")
    entry = f"- {{adapter: {case.adapter}, base: {case.base}, to: {case.to}}}\n"
    assert statuses(shelf.sync(entry)) == ["merged"]
    assert statuses(shelf.sync(entry)) == ["unchanged"]


OLD = "- {adapter: bot/one, to: bot/one-merged, supersedes: bot/old}\n"


def test_the_card_of_the_superseded_leads_to_the_new_one(shelf: Shelf) -> None:
    words = b"---\nlicense: mit # theirs\ntags: [x]\n---\n# Old\n\nWords.\n"
    shelf.api.create_repo("bot/old")
    shelf.write("bot/old", "README.md", words)
    report = shelf.sync(OLD)["bot/one-merged"]
    assert report.notes == (
        "the card of `bot/old` names `bot/one-merged` as its `new_version` now",
    )
    told = words.replace(b"[x]\n", b"[x]\nnew_version: bot/one-merged\n")
    assert shelf.hub.read("bot/old", "README.md") == told
    again = shelf.sync(OLD)["bot/one-merged"]
    assert (again.status, again.notes) == ("unchanged", ())
    assert shelf.titles("bot/old") == ["Name bot/one-merged as the new version", "by hand"]


@pytest.mark.parametrize(
    ("words", "token", "reason"),
    [
        (b"# Old\n", READER, "doesn't name `bot/one-merged` as its `new_version` yet"),
        (b"---\na: [\n---\n", None, "its YAML can't be parsed"),
        (b"# \xff\n", None, "it is not UTF-8"),
        (None, None, "there is no `bot/old` whose card could name"),
    ],
)
def test_what_can_t_lead_to_the_new_one_is_told(
    shelf: Shelf, words: bytes | None, token: str | None, reason: str
) -> None:
    shelf.sync(ONE)
    if words is not None:  # as git pushes it: the Hub's client would refuse some of it
        shelf.hub.add_repo("bot/old", {"README.md": words})
    report = shelf.sync(OLD, write_token=token)["bot/one-merged"]
    assert report.status == "unchanged"
    assert reason in report.notes[-1]
    assert words is None or shelf.hub.read("bot/old", "README.md") == words


def test_what_is_compared_of_a_request_is_what_a_plan_keeps(shelf: Shelf) -> None:
    entry = (
        "- {adapter: bot/one, to: bot/x, dtype: bf16, max-shard-size: 5GB, compat: true,"
        " generation-config: base}\n"
    )
    (decision,) = shelf.decisions(entry)
    assert isinstance(decision, Decision)
    sources = resolve(decision.request, around=shelf.machine().around)
    assert settings_of(decision.request) == draft(decision.request, sources).settings


def test_a_config_that_no_longer_parses_waits(shelf: Shelf) -> None:
    shelf.write("bot/one", "adapter_config.json", b"{")
    assert statuses(shelf.sync(ONE)) == ["skipped"]
    change_json(shelf.case.adapter / "adapter_config.json", lora_alpha=4)
    shelf.add("bot/one", shelf.case.adapter)
    assert statuses(shelf.sync(ONE)) == ["merged"]
