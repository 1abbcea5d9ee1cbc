"""Whose choice the base is: a private or gated base that only an adapter's config names, over HTTP with two users."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, constants

from adapter_merge import sendoff
from adapter_merge.errors import BaseNotNamed
from adapter_merge.localhub.routes import info
from adapter_merge.merges import roster_of, written
from adapter_merge.ports import Silent
from adapter_merge.publishing import Publishing
from adapter_merge.reconcile import adapters_of, expand
from adapter_merge.report import Report
from adapter_merge.request import RepoRef, Request
from adapter_merge.stages.resolve import resolve
from tests.action.test_main import step
from tests.build import change_json
from tests.office import ADAPTER, MEMBER, OPEN, OPERATOR, SECRET, TARGET, Office, office

DEFAULTS = "defaults: {probe: off, workers: 1, when: push}\n"
WATCH = f"{DEFAULTS}watch:\n- {{owner: acme, to: '{{owner}}/{{name}}-merged'%s}}\n"
ENTRY = f"{DEFAULTS}merges:\n- {{adapter: {ADAPTER}, to: {TARGET}%s}}\n"


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    made = office(tmp_path)
    with made.hub:
        made.stock()
        yield made


def command(
    there: Office, home: Path, *words: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """A command of the operator's."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    return subprocess.run(
        [sys.executable, "-m", "adapter_merge", *words],
        env={**kept, **there.environment(home)},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def refused(report: Report) -> tuple[str, str]:
    """Message and hint of a run that stopped before it read a weight."""
    assert report.status == "failed", report
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("BaseNotNamed", 2), report.error
    assert "pull" not in report.seconds
    assert "merge" not in report.seconds
    return report.error.message, report.error.hint


def test_a_member_gets_no_private_base_by_naming_it(there: Office) -> None:
    assert not there.can_read(MEMBER, SECRET)
    message, hint = refused(there.run())
    assert f"`{SECRET}`" in message
    assert f"--base {SECRET}" in hint
    assert not there.exists(TARGET)


def test_the_operator_names_a_private_base(there: Office) -> None:
    report = there.run(base=SECRET)
    assert report.status == "merged", report.error
    assert report.published is not None
    assert report.published.visibility == "private"


@pytest.mark.parametrize("text", [WATCH % "", ENTRY % ""], ids=["watch", "entry"])
def test_sync_merges_no_private_base_that_an_adapter_names(there: Office, text: str) -> None:
    refused(there.sync(text)[TARGET])
    assert not there.exists(TARGET)


def test_an_open_base_needs_no_name(there: Office) -> None:
    there.add_adapter(ADAPTER, base=OPEN)
    report = there.run()
    assert report.status == "merged", report.error
    assert there.can_read(MEMBER, TARGET)
    assert there.can_read(OPERATOR, TARGET)


# --- Who named the base -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        WATCH % f", base: {SECRET}",
        WATCH % f", only-bases: [{SECRET}]",
        WATCH % ", only-bases: vault/*",
        WATCH % ", only-bases: ['other/*', 'VAULT/*']",
        f"bases: {{'vault/*': {SECRET}}}\n{WATCH % ''}",
        ENTRY % f", base: {SECRET}",
        ENTRY % ", only-bases: vault/*",
        (ENTRY % "").replace("defaults: {", "defaults: {only-bases: [vault/*], "),
    ],
)
def test_merges_yaml_names_a_private_base(there: Office, text: str) -> None:
    report = there.sync(text)[TARGET]
    assert report.status == "merged", report.error
    assert report.published is not None
    assert report.published.visibility == "private"


@pytest.mark.parametrize("base", [SECRET, OPEN])
def test_only_bases_refuses_every_other_base(there: Office, base: str) -> None:
    there.add_adapter(ADAPTER, base=base)
    message, hint = refused(there.sync(WATCH % ", only-bases: [acme/*]")[TARGET])
    assert f"`{base}`" in message
    assert "`acme/*`" in message
    assert f"only-bases: [{base}]" in hint
    assert "only-bases: [vault/*]" in hint


def test_a_pattern_in_bases_that_leads_to_auto_names_no_base(there: Office) -> None:
    refused(there.sync(f"bases: {{'vault/*': auto}}\n{WATCH % ''}")[TARGET])


@pytest.mark.parametrize("adapter", ["base", f"{SECRET}-bnb-4bit"])
def test_auto_is_no_name(there: Office, adapter: str) -> None:
    there.add_adapter(ADAPTER, base=adapter)
    card = CommitOperationAdd("README.md", f"---\nbase_model: {SECRET}\n---\n".encode())
    there.api(MEMBER).create_commit(ADAPTER, [card], commit_message="Card")
    refused(there.run(base="auto"))


def test_auto_finds_no_folder_for_somebody_elses_adapter(
    there: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id in a config leads to a folder of this machine, which does not say who may read it."""
    (there.root / "here").mkdir()
    monkeypatch.chdir(there.root / "here")
    (there.root / "here" / "secret").symlink_to(there.case.base)
    there.add_adapter(ADAPTER, base="mia/secret")
    message, hint = refused(there.run(base="auto"))
    assert "is a folder" in message
    assert "--base ./secret" in hint
    assert there.run(base="auto", to="./out").status == "merged"
    assert there.run(base="./secret").status == "merged"


def test_an_earlier_receipt_in_the_target_names_no_base(there: Office) -> None:
    """Whoever writes to the target writes its receipt, too."""
    there.add_adapter(ADAPTER, base=OPEN)
    text = ENTRY % ", base: auto"
    assert there.sync(text)[TARGET].status == "merged"
    receipt = there.hub.read(TARGET, "merge_receipt.json")
    for old, new in ((OPEN, SECRET), (there.hub.head(OPEN), there.hub.head(SECRET))):
        receipt = receipt.replace(old.encode(), new.encode())
    added = [CommitOperationAdd("merge_receipt.json", receipt)]
    there.api(MEMBER).create_commit(TARGET, added, commit_message="By hand")
    config = there.case.adapter / "adapter_config.json"
    change_json(config, lora_alpha=32)
    there.add_adapter(ADAPTER, base=OPEN)
    refused(there.sync(text)[TARGET])


def test_a_plan_says_the_same(there: Office) -> None:
    report = there.sync(WATCH % "", dry=True)[TARGET]
    assert report.error is not None
    assert report.error.type == "BaseNotNamed"
    with pytest.raises(BaseNotNamed) as caught:
        resolve(Request(adapters=(ADAPTER,), to=TARGET), verb="plan", around=there.machine().around)
    assert f"adapter-merge plan {ADAPTER} --base {SECRET} --to {TARGET}" in caught.value.hint


def test_a_revision_that_is_missing_tells_nothing(there: Office) -> None:
    change_json(there.case.adapter / "adapter_config.json", revision="v9")
    there.add_adapter(ADAPTER, base=SECRET)
    message, _ = refused(there.run())
    assert "v9" not in message


def test_a_folder_is_no_way_around(there: Office) -> None:
    """A workflow uploads what it merges into a folder."""
    refused(there.run(to=str(there.root / "out")))
    assert not (there.root / "out").exists()


# --- One owner ----------------------------------------------------------------------------------


def stock_own(there: Office, owner: str, **commit: Any) -> tuple[str, str, str]:
    """A private base, an adapter and a target of one owner."""
    base, adapter = f"{owner}/own-base", f"{owner}/own-lora"
    there.add_base(base, private=True)
    there.add_adapter(adapter, base=base, token=OPERATOR if owner == "operator" else MEMBER)
    return base, adapter, f"{adapter}-merged"


@pytest.mark.parametrize("owner", ["operator", "acme"])
def test_a_private_base_of_one_owner_needs_no_name(there: Office, owner: str) -> None:
    _, adapter, target = stock_own(there, owner)
    report = there.run(adapter, to=target)
    assert report.status == "merged", report.error
    assert report.published is not None
    assert report.published.visibility == "private"


@pytest.mark.parametrize("owner", ["operator", "acme"])
def test_a_target_of_another_owner_needs_the_name(there: Office, owner: str) -> None:
    there.hub.add_organisation("shared", {"operator": "write", "mia": "read"})
    base, adapter, _ = stock_own(there, owner)
    message, _ = refused(there.run(adapter, to="shared/merged"))
    assert "the same owner" in message
    assert there.run(adapter, to="shared/merged", base=base).status == "merged"


@pytest.mark.parametrize("which", [0, 1, 2], ids=["base", "adapter", "target"])
def test_a_resource_group_makes_other_readers(there: Office, which: int) -> None:
    repos = stock_own(there, "acme")
    there.api().create_repo(repos[2], private=True)
    there.hub.add_resource_group("core", ["operator"], [repos[which]])
    message, _ = refused(there.run(repos[1], to=repos[2]))
    assert "resource group" in message


def test_a_hub_that_says_nothing_of_resource_groups(
    there: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, adapter, target = stock_own(there, "acme")
    monkeypatch.setattr(info, "_expanded", lambda _ask, said: said)
    message, _ = refused(there.run(adapter, to=target))
    assert "does not say" in message


@pytest.mark.parametrize("owner", ["operator", "acme"])
@pytest.mark.parametrize("revision", ["refs/pr/1", "commit"])
def test_a_pull_request_is_no_word_of_the_owner(there: Office, owner: str, revision: str) -> None:
    there.hub.add_user("eve", "hf_eve")
    base, adapter, target = stock_own(there, owner)
    config = there.case.adapter / "adapter_config.json"
    change_json(config, base_model_name_or_path=base, lora_alpha=32)
    proposed = there.api("hf_eve").create_commit(
        adapter,
        [CommitOperationAdd(config.name, config)],
        commit_message="Train on",
        create_pr=True,
    )
    named = proposed.oid if revision == "commit" else revision
    message, _ = refused(there.run(f"{adapter}@{named}", to=target))
    assert "author" in message
    assert there.run(adapter, to=target).status == "merged"


def test_an_author_who_left_the_organisation(there: Office) -> None:
    _, adapter, target = stock_own(there, "acme")
    there.hub.add_organisation("acme", {"operator": "write"})
    message, _ = refused(there.run(adapter, to=target))
    assert "author" in message


def test_a_later_commit_of_another_file_makes_nobody_its_author(there: Office) -> None:
    _, adapter, target = stock_own(there, "acme")
    there.hub.add_organisation("acme", {"operator": "write"})
    notes = CommitOperationAdd("notes.txt", b"looks fine")
    there.api().create_commit(adapter, [notes], commit_message="Notes")
    refused(there.run(adapter, to=target))


def test_two_adapters_have_to_be_of_one_owner(there: Office) -> None:
    there.hub.add_user("eve", "hf_eve")
    base, adapter, target = stock_own(there, "acme")
    there.add_adapter("eve/lora", base=base, token="hf_eve")
    refused(there.run(adapter, "eve/lora", to=target))


def test_an_adapter_in_a_folder_is_its_users(there: Office) -> None:
    base, _, target = stock_own(there, "operator")
    folder = str(there.case.adapter)
    change_json(there.case.adapter / "adapter_config.json", base_model_name_or_path=base)
    for to in (target, str(there.root / "out")):
        report = there.run(folder, to=to)
        assert report.status == "merged", report.error
    refused(there.run(folder, to="acme/merged"))
    change_json(there.case.adapter / "adapter_config.json", base_model_name_or_path=SECRET)
    refused(there.run(folder, to=target))


# --- Gated bases --------------------------------------------------------------------------------


def gate(there: Office) -> None:
    there.hub.gate(OPEN)
    there.add_adapter(ADAPTER, base=OPEN)


def test_a_gated_base_needs_no_name_for_a_named_adapter(there: Office) -> None:
    gate(there)
    for report in (there.run(), there.sync(ENTRY % "")[TARGET]):
        assert report.error is None
        assert report.published is not None
        assert report.published.visibility == "private"


def test_a_gated_base_is_asked_for_at_the_target(there: Office) -> None:
    gate(there)
    report = there.run(gated=True)
    assert report.published is not None
    assert report.published.visibility == "gated"
    assert not there.can_read("hf_stranger", TARGET)


def test_a_watch_needs_only_bases_for_a_gated_base(there: Office) -> None:
    gate(there)
    message, hint = refused(there.sync(WATCH % "")[TARGET])
    assert "gated" in message
    assert f"only-bases: [{OPEN}]" in hint
    report = there.sync(WATCH % f", only-bases: [{OPEN}]")[TARGET]
    assert report.status == "merged", report.error


def test_an_entry_beside_a_watch_counts_as_one(there: Office) -> None:
    gate(there)
    text = ENTRY % "" + (WATCH % "").removeprefix(DEFAULTS)
    assert there.sync(text)[TARGET].status == "merged"


# --- `public` -----------------------------------------------------------------------------------


def test_public_opens_no_base_that_an_adapter_names(there: Office) -> None:
    base, adapter, target = stock_own(there, "acme")
    for made in (False, True):
        report = there.run(adapter, to=target, public=True)
        assert report.error is not None, report
        assert (report.error.type, report.error.code) == ("Refused", 8)
        assert f"--base {base}" in report.error.hint
        assert "pull" not in report.seconds
        there.api().create_repo(target, exist_ok=made)
    assert there.run(adapter, to=target, public=True, base=base).status == "merged"


def test_public_opens_no_base_that_only_a_pattern_matches(there: Office) -> None:
    report = there.sync(WATCH % ", only-bases: [vault/*], public: true")[TARGET]
    assert report.error is not None
    assert report.error.type == "Refused"
    assert not there.exists(TARGET)
    report = there.sync(WATCH % f", only-bases: [{SECRET}], public: true")[TARGET]
    assert report.status == "merged", report.error


def test_a_finished_folder_remembers_who_named_its_base(there: Office) -> None:
    base, adapter, target = stock_own(there, "operator")
    out = there.root / "out"
    to = RepoRef.model_validate(target)
    for named, rebuild in ((None, False), (base, True)):
        assert there.run(adapter, to=str(out), base=named, rebuild=rebuild).status == "merged"
        report = sendoff.publish(
            RepoRef.model_validate(str(out)),
            to,
            Publishing(public=True),
            overwrite=False,
            reporter=Silent(),
            machine=there.machine(),
        )
        error = report.error
        assert (error is None) == (named is not None), error
        assert error is None or (error.type == "Refused" and "--rebuild" in error.hint)


# --- What others get to know --------------------------------------------------------------------


def test_no_discussion_tells_of_it(there: Office) -> None:
    """Whether a private repository has this name is nobody's business who can't see it."""
    reports = tuple(there.sync(WATCH % "").values())
    assert adapters_of(reports) == {}


# --- The bot, the command line, and a workflow's step ----------------------------------------------


def test_a_job_of_the_bot_has_the_same_rules(there: Office, tmp_path: Path) -> None:
    """What the bot hands to its child, a Job or a process, says that a watch found the adapter."""
    for only, merges in (("", False), (", only-bases: [vault/*]", True)):
        roster = roster_of((WATCH % only).encode())
        (entry,) = (e for e in expand(roster, there.machine().around) if e.label == TARGET)
        document = written(entry)
        (again,) = roster_of(document.encode()).entries
        assert again == entry
        ended = command(there, tmp_path, "bot", "job", "--events", "--merges", "-", stdin=document)
        assert there.exists(TARGET) == merges, ended.stderr
        assert ("BaseNotNamed" in ended.stdout) != merges


def test_the_command_line_ends_with_a_usage_error(there: Office, tmp_path: Path) -> None:
    ended = command(there, tmp_path, "run", ADAPTER, "--to", TARGET, "--probe", "off")
    assert ended.returncode == 2
    assert f"--base {SECRET}" in ended.stderr
    fixed = ("run", ADAPTER, "--base", SECRET, "--to", TARGET, "--probe", "off")
    ended = command(there, tmp_path, *fixed)
    assert ended.returncode == 0, ended.stderr


def test_a_step_of_a_workflow_refuses_somebody_elses_adapter(there: Office, tmp_path: Path) -> None:
    there.hub.add_user("eve", "hf_eve")
    there.add_adapter("eve/lora", base=SECRET, token="hf_eve")
    place, env = tmp_path / "step", there.environment(tmp_path)
    inputs: dict[str, Any] = {"adapter": "eve/lora", "to": TARGET, "probe": "off"}
    ended = step(place, env=env, **inputs)
    assert ended.code == 2, ended.log
    assert f"base: {SECRET}" in ended.log
    assert not there.exists(TARGET)
    ended = step(place, env=env, **inputs, base=SECRET)
    assert ended.code == 0, ended.log
