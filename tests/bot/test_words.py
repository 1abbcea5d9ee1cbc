"""What the bot says of itself, where it says it, and that it says nothing else to nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapter_merge.bot.words import DISCUSS, OPT_OUT, passed_on, signature
from adapter_merge.hub.client import SIGNATURE
from tests.reconcile.conftest import TOKEN, Shelf, shelf

__all__ = ["shelf"]
MERGES = "defaults: {probe: off, when: push}\nmerges:\n  - {adapter: bot/one, to: bot/one-merged}\n"


def job(shelf: Shelf, **more: str) -> subprocess.CompletedProcess[str]:
    """What a child of the bot does with one entry."""
    merges = shelf.root / "merges.yaml"
    merges.write_text(MERGES)
    told = {
        "HF_ENDPOINT": shelf.hub.url,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(shelf.root / "home"),
        "HF_HUB_DISABLE_XET": "1",
    }
    command = [sys.executable, "-m", "adapter_merge", "bot", "job", "--events"]
    return subprocess.run(
        [*command, "--merges", str(merges)],
        capture_output=True,
        text=True,
        env={**os.environ, **told, **more},
        check=False,
    )


@pytest.mark.parametrize(
    ("contact", "said"),
    [
        (None, "Made by the bot of adapter-merge, as"),
        ("ml@acme.example", "of adapter-merge, run by ml@acme.example, as"),
        ("a\nAdapter-Merge-Recipe: 1", "run by a Adapter-Merge-Recipe: 1, as"),
        ("x" * 5_000, "x" * 200 + ", as"),
    ],
)
def test_a_signature_is_one_line(contact: str | None, said: str) -> None:
    text = signature(contact)
    assert said in text
    assert text.endswith(OPT_OUT)
    assert "\n" not in text


def test_what_whoever_merges_elsewhere_gets() -> None:
    environ = {SIGNATURE: "me", DISCUSS: "", "HF_TOKEN": TOKEN}
    assert passed_on(environ) == {SIGNATURE: "me"}


def test_commits_say_who_made_them_and_are_found_again(shelf: Shelf) -> None:
    said = signature("ml@acme.example")
    done = job(shelf, **{SIGNATURE: said})
    assert done.returncode == 0, done.stderr
    newest = shelf.api.list_repo_commits("bot/one-merged")[0]
    assert newest.message.startswith(f"{said}\n\nAdapter-Merge-Recipe: ")
    assert job(shelf, **{SIGNATURE: said}).returncode == 0
    assert len(shelf.api.list_repo_commits("bot/one-merged")) == 2


def test_nobody_is_told_of_a_failure_who_was_not_asked_for(shelf: Shelf) -> None:
    shelf.adapter("bot/one", peft_type="NOVEL")
    assert job(shelf).returncode == 10
    assert list(shelf.api.get_repo_discussions("bot/one")) == []


def test_an_adapters_people_are_told_once_and_that_it_is_well_again(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.adapter("bot/one", peft_type="NOVEL")
    said = {DISCUSS: "1", SIGNATURE: signature("ml@acme.example")}
    for _ in range(2):
        assert job(shelf, **said).returncode == 10
    (thread,) = shelf.api.get_repo_discussions("bot/one")
    first = shelf.api.get_discussion_details("bot/one", thread.num).events[0]
    content = getattr(first, "content", "")
    assert "NOVEL" in content
    assert content.rstrip().endswith(OPT_OUT)
    shelf.adapter("bot/one", peft_type="LORA")
    assert job(shelf, **said).returncode == 0
    assert [d.status for d in shelf.api.get_repo_discussions("bot/one")] == ["closed"]
