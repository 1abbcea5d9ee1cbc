"""What people see of a Hub: at the end of `run`, from `publish` and `revert`, on the terminal, as JSON and as a page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants

from adapter_merge import assemble
from adapter_merge.hub.client import connect
from adapter_merge.hub.edge import HubEdge
from adapter_merge.hub.retry import Patience
from adapter_merge.localhub import Cut, Fault, LocalHub
from tests.build import change_json, make_case
from tests.cli.conftest import Command, Ended

TOKEN = "hf_bot"
RUN = "run bot/adapter --probe off"
BUNDLE = f"{RUN} --layout bundled --ignore F009"


class Shelf:
    """A Hub with a base and an adapter, and the command line of somebody who may write there."""

    def __init__(self, hub: LocalHub, home: Path, command: Command) -> None:
        self.hub = hub
        self.home = home
        self._command = command
        hub.add_user("bot", TOKEN)
        hub.add_user("other", "hf_other")
        self.case = make_case(home / "case")
        (self.case.base / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Base\n")
        change_json(self.case.adapter / "adapter_config.json", base_model_name_or_path="bot/base")
        self.push("bot/base", self.case.base)
        self.push("bot/adapter", self.case.adapter)

    @property
    def api(self) -> HfApi:
        return HfApi(endpoint=self.hub.url, token=TOKEN)

    def push(self, repo: str, folder: Path) -> None:
        self.api.create_repo(repo, exist_ok=True)
        added = [CommitOperationAdd(p.name, p) for p in sorted(folder.iterdir())]
        self.api.create_commit(repo, added, commit_message="Add")

    def train(self, alpha: int) -> None:
        """Push the adapter with other weights, as far as its scale makes them others."""
        change_json(self.case.adapter / "adapter_config.json", lora_alpha=alpha)
        self.push("bot/adapter", self.case.adapter)

    def say(self, text: str, repo: str = "bot/merged") -> None:
        """Somebody writes in a card."""
        card = self.hub.read(repo, "README.md") + text.encode()
        added = [CommitOperationAdd("README.md", card)]
        self.api.create_commit(repo, added, commit_message="Say more")

    def __call__(self, line: str, code: int = 0) -> Ended:
        ended = self._command(*line.split())
        assert ended.code == code, ended.err
        return ended

    def titles(self, repo: str = "bot/merged") -> list[str]:
        return [c.title for c in self.api.list_repo_commits(repo)]


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command) -> Iterator[Shelf]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with LocalHub(tmp_path / "hub", xet=False) as hub:
        client = connect(
            endpoint=hub.url,
            cache=tmp_path / "home" / "hub",
            token=TOKEN,
            patience=Patience(tries=2, sleep=lambda _: None),
        )
        edge = HubEdge(client)
        monkeypatch.setattr(assemble, "_hub", lambda: edge)
        yield Shelf(hub, tmp_path, command)


def test_a_run_says_what_stands_on_the_hub(shelf: Shelf) -> None:
    ended = shelf(f"{RUN} --to bot/merged --report ./report")
    head = shelf.hub.head("bot/merged")
    for part in (
        "merged bot/merged",
        f"published commit {head[:7]} on main, tag merge-",
        ": Merge bot/adapter into bot/base",
        f"{shelf.hub.url}/bot/merged/commit/{head}",
        "visibility public",
        "sent ",
        "next adapter-merge verify bot/merged",
    ):
        assert part in ended.talk
    assert "changed since" not in ended.talk
    page = (shelf.home / "report" / "report.html").read_text()
    assert "<h2>On the Hub</h2>" in page
    assert f"<code>{head}</code>" in page
    kept = json.loads((shelf.home / "report" / "report.json").read_text())
    assert kept["published"]["commit"] == head
    assert kept["waits"] is None


def test_new_weights_are_told_with_the_tag_of_the_old(shelf: Shelf) -> None:
    first = shelf(f"{RUN} --to bot/merged --json").report["published"]
    shelf.train(32)
    ended = shelf(f"{RUN} --to bot/merged --json")
    assert ended.report["published"]["since_tag"] == first["tag"]
    assert f"weights changed since tag {first['tag']}" in ended.talk
    assert ended.report["published"]["kept"] > 0
    assert "were there, or copied by the Hub" in ended.talk


def test_a_proposal_is_looked_at_next(shelf: Shelf) -> None:
    shelf(f"{RUN} --to bot/merged")
    shelf.train(32)
    ended = shelf(f"{RUN} --to bot/merged --publish pr --json")
    published = ended.report["published"]
    assert (published["pull_request"], published["tag"]) == (1, None)
    assert f"published pull request 1, commit {published['commit'][:7]}" in ended.talk
    assert f"next look at {shelf.hub.url}/bot/merged/discussions/1, and merge it" in ended.talk


def test_a_result_that_waits_is_sent_by_the_command_that_is_shown(shelf: Shelf) -> None:
    ended = shelf(f"{RUN} --to bot/merged --publish none --json")
    place = ended.report["waits"]
    assert ended.report["published"] is None
    assert f"waits {place}" in ended.talk
    line = f"publish {place} --to bot/merged"
    assert f"next adapter-merge {line}" in ended.talk
    shelf(line)
    assert shelf.titles()[0] == "Merge bot/adapter into bot/base"
    assert shelf(f"{RUN} --to bot/merged --json").report["status"] == "unchanged"


def test_a_folder_is_sent_once(shelf: Shelf) -> None:
    shelf(f"{RUN} --to ./out")
    first = shelf("publish ./out --to bot/merged --json").report
    assert (first["status"], first["to"], first["error"]) == ("done", "bot/merged", None)
    assert (
        first["recipe"] == json.loads((shelf.home / "out/merge_receipt.json").read_text())["recipe"]
    )
    assert shelf("verify bot/merged --json").report["status"] == "done"
    before = shelf.titles()
    ended = shelf("publish ./out --to bot/merged --json")
    again = ended.report
    assert (again["status"], again["published"]["moved"]) == ("unchanged", 0)
    assert (again["published"]["found"], again["published"]["title"]) == (True, "")
    assert "which stood there already" in ended.talk
    assert "Refresh" not in ended.talk
    assert shelf.titles() == before
    assert shelf(f"{RUN} --to bot/merged --json").report["status"] == "unchanged"


def test_a_folder_s_card_loads_the_id_and_keeps_what_people_wrote(shelf: Shelf) -> None:
    shelf(f"{RUN} --to ./out")
    tag = shelf("publish ./out --to bot/merged --json").report["published"]["tag"]
    assert f"'bot/merged', revision='{tag}'" in shelf.hub.read("bot/merged", "README.md").decode()
    shelf.say("\nTried on our own pages.\n")
    shelf.train(32)
    shelf(f"{RUN} --to ./out")
    (shelf.home / "out" / "README.md").open("a").write("\nOf the folder alone.\n")
    shelf("publish ./out --to bot/merged")
    card = shelf.hub.read("bot/merged", "README.md").decode()
    assert "Tried on our own pages." in card
    assert "Of the folder alone." not in card
    assert card.count("## How to load") == 1
    assert f"'bot/merged', revision='{tag}'" not in card


def test_a_lost_tag_is_set_again(shelf: Shelf) -> None:
    shelf(f"{RUN} --to ./out")
    tag = shelf("publish ./out --to bot/merged --json").report["published"]["tag"]
    shelf.api.delete_tag("bot/merged", tag=tag)
    again = shelf("publish ./out --to bot/merged --json").report
    assert (again["status"], again["published"]["tag"]) == ("unchanged", tag)
    assert [t.name for t in shelf.api.list_repo_refs("bot/merged").tags] == [tag]


def test_the_access_of_the_sources_is_asked_again(shelf: Shelf) -> None:
    shelf(f"{RUN} --to ./out")
    shelf.api.update_repo_settings("bot/adapter", private=True)
    published = shelf("publish ./out --to bot/merged --json").report["published"]
    assert (published["visibility"], "`bot/adapter` is private" in published["why"]) == (
        "private",
        True,
    )


@pytest.mark.parametrize(
    ("before", "line", "code", "kind", "hint"),
    [
        ("", "publish ./case/base --to bot/x", 3, "NotFound", "`adapter-merge run` made"),
        ("", "publish ./none --to bot/x", 3, "NotFound", "Check the path"),
        (f"{RUN} --to ./out", "publish ./out --to ./x", 2, "RequestError", "`org/name`"),
        (f"{RUN} --to ./out", "publish ./out --to x", 2, "RequestError", "`org/x`"),
        (f"{RUN} --to ./out", "publish ./out --to bot/x@v1", 2, "RequestError", "--branch"),
        (f"{RUN} --to ./out", "publish ./out --to bot/adapter", 2, "RequestError", "`--to`"),
        (f"{RUN} --to ./out", "publish ./out --to other/x", 8, "Refused", "token"),
        ("", "revert bot/base", 8, "TargetNotOurs", "published to"),
        ("", "revert bot/none", 8, "TargetNotOurs", "published to"),
        (f"{RUN} --to bot/x", "revert bot/x", 3, "RevisionMissing", "Merge with other inputs"),
        (f"{RUN} --to bot/x", "revert bot/x@nope", 3, "RevisionMissing", "tags or commits"),
    ],
)
def test_what_can_t_be_sent_is_refused_before_anything_is(
    shelf: Shelf, before: str, line: str, code: int, kind: str, hint: str
) -> None:
    if before:
        shelf(before)
    heads = [shelf.hub.head(f"bot/{name}") for name in ("base", "adapter")]
    ended = shelf(f"{line} --json", code)
    error = ended.report["error"]
    assert (error["type"], error["code"], ended.report["status"]) == (kind, code, "failed")
    assert hint in error["hint"]
    assert "nothing was" in ended.talk
    assert heads == [shelf.hub.head(f"bot/{name}") for name in ("base", "adapter")]


def test_a_folder_that_was_changed_is_not_sent(shelf: Shelf) -> None:
    shelf(f"{RUN} --to ./out")
    weights = shelf.home / "out" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    error = shelf("publish ./out --to bot/merged --json", 3).report["error"]
    assert error["type"] == "Corrupt"
    assert not shelf.api.repo_exists("bot/merged")


def test_a_bundle_is_sent_only_where_it_leads(shelf: Shelf) -> None:
    shelf(f"{BUNDLE} --to ./bundle")
    error = shelf("publish ./bundle --to bot/bundle --json", 8).report["error"]
    assert error["type"] == "Refused"
    command = "adapter-merge run bot/adapter --base bot/base --layout bundled --to bot/bundle"
    assert f"`{command}`" in error["hint"]
    shelf(f"{BUNDLE} --to ./bundle --bundle-as bot/bundle")
    assert shelf("publish ./bundle --to bot/bundle --json").report["layout"] == "bundled"


def test_a_bundle_for_a_hub_leads_there(shelf: Shelf) -> None:
    shelf(f"{BUNDLE} --to bot/bundle")
    config = json.loads(shelf.hub.read("bot/bundle", "adapter_config.json"))
    assert config["base_model_name_or_path"] == "bot/bundle"
    error = shelf(f"{BUNDLE} --to bot/bundle --bundle-as bot/other", 2).talk
    assert "leads away from the target `bot/bundle`" in error


def test_going_back_is_one_more_commit(shelf: Shelf) -> None:
    first = shelf(f"{RUN} --to bot/merged --json").report
    shelf.train(32)
    shelf(f"{RUN} --to bot/merged")
    ended = shelf("revert bot/merged --json")
    report = ended.report
    assert (report["status"], report["recipe"]) == ("done", first["recipe"])
    assert report["files"] == first["files"]
    assert (report["published"]["moved"], report["published"]["why"]) == (0, "")
    assert f": Revert to {first['published']['tag']}" in ended.talk
    assert "next adapter-merge verify bot/merged" in ended.talk
    shelf("verify bot/merged")
    again = shelf(f"revert bot/merged@{first['published']['tag']} --json").report
    assert (again["status"], again["published"]["title"]) == ("unchanged", "")
    proposed = shelf("revert bot/merged --publish pr --json").report["published"]
    assert proposed["pull_request"] == 1


@pytest.mark.parametrize(
    ("request_", "said", "waits"),
    [
        (r"^POST .*/commit/", "", True),
        (
            r"^POST .*/tag/",
            "which has the result in commit",
            False,
        ),
    ],
)
def test_a_failure_never_says_that_nothing_was_done_where_something_was(
    shelf: Shelf, request_: str, said: str, waits: bool
) -> None:
    shelf.hub.fail(Fault(on=request_, does=Cut(), times=99))
    ended = shelf(f"{RUN} --to bot/merged --json", 9)
    assert "nothing was changed" not in ended.talk
    assert said in ended.talk
    assert (ended.report["waits"] is not None) == waits
    shelf.hub.heal()
    shelf(f"{RUN} --to bot/merged")
    assert shelf.titles().count("Merge bot/adapter into bot/base") == 1
    assert len(shelf.api.list_repo_refs("bot/merged").tags) == 1


def test_a_plan_has_the_traffic_in_json(shelf: Shelf) -> None:
    traffic = shelf("plan bot/adapter --to bot/merged --json").report["forecast"]["traffic"]
    assert traffic["repo"] == "bot/merged"
    assert 0 < traffic["pulled_bytes"] <= traffic["stored_bytes"]
    assert traffic["added_bytes"] > 0


def test_the_environment_names_the_hub(shelf: Shelf) -> None:
    shelf(f"{RUN} --to ./out")
    hub = {"HF_ENDPOINT": shelf.hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
    line = "-m adapter_merge publish ./out --to bot/merged --json"
    done = subprocess.run(
        [sys.executable, *line.split()],
        env={**os.environ, **hub},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["published"]["commit"] == shelf.hub.head("bot/merged")
    assert TOKEN not in done.stdout + done.stderr
