"""`sync` from the command line: lines, exit codes, and a kill in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.build import change_json, make_case
from tests.cli.conftest import Command, Ended
from tests.reconcile.conftest import Shelf, shelf

__all__ = ["shelf"]
NAMES = ("one", "two")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of two folders and one that isn't there, beside it."""
    case = make_case(tmp_path / "case")
    change_json(case.adapter / "adapter_config.json", base_model_name_or_path=str(case.base))
    entries = "".join(
        f"  - {{adapter: {adapter}, to: ./{to}, base: ./case/base}}\n"
        for adapter, to in (("./case/adapter", "a"), ("./none", "b"), ("./case/adapter", "c"))
    )
    (tmp_path / "merges.yaml").write_text(f"defaults: {{probe: off}}\nmerges:\n{entries}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def reports(ended: Ended) -> Iterator[tuple[str, str]]:
    for line in ended.out.splitlines():
        report = json.loads(line)
        yield report["to"], report["status"]


def test_each_entry_has_its_line_and_a_failure_its_exit_code(
    folders: Path, command: Command
) -> None:
    ended = command("sync")
    assert (ended.code, ended.out) == (10, "")
    for words in ("merged ./a the target has no result yet", "failed ./b", "merged ./c"):
        assert words in ended.talk


def test_json_is_a_report_a_line(folders: Path, command: Command) -> None:
    ended = command("sync", "merges.yaml", "--json", "--quiet", "--report", "reports")
    assert (ended.code, ended.err.count("failed")) == (10, 0)
    assert dict(reports(ended)) == {"./a": "merged", "./b": "failed", "./c": "merged"}
    kept = json.loads((folders / "reports" / "b" / "report.json").read_text())
    assert kept["error"]["type"] == "NotFound"


def test_a_reader_that_leaves_stops_no_merge(folders: Path) -> None:
    """As `sync --json | head -1` does."""
    with subprocess.Popen(
        [sys.executable, "-m", "adapter_merge", "sync", "merges.yaml", "--json", "--quiet"],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(120) == 10
    assert (folders / "a" / "merge_receipt.json").exists()
    assert (folders / "c" / "merge_receipt.json").exists()


def test_only_a_part_is_done(folders: Path, command: Command) -> None:
    ended = command("sync", "--only", "./c", "--json")
    assert ended.code == 0
    assert dict(reports(ended)) == {"./c": "merged"}
    assert not (folders / "a").exists()
    ended = command("sync", "--only", "./x")
    assert ended.code == 2
    assert "no entry of `merges.yaml` has a target or an adapter like `./x`" in ended.talk


def test_a_dry_run_and_a_matrix_write_nothing(folders: Path, command: Command) -> None:
    ended = command("sync", "--dry-run")
    assert ended.code == 10
    assert "due ./a the target has no result yet" in ended.talk
    ended = command("sync", "--matrix")
    assert ended.code == 0
    assert [job["to"] for job in ended.report["include"]] == ["./b", "./a", "./c"]
    assert not (folders / "a").exists()


def test_a_mistake_in_the_file_says_where(folders: Path, command: Command) -> None:
    (folders / "merges.yaml").write_text("merges:\n- adapter: org/a\n  dtyp: bf16\n")
    ended = command("sync")
    assert ended.code == 2
    assert "merges.yaml:3: entry 1 (`org/a`): there is no key `dtyp`" in ended.talk
    assert command("sync", "none.yaml").code == 2


def test_what_is_watched_is_merged_and_what_is_not_there_is_said(shelf: Shelf) -> None:
    file = shelf.root / "merges.yaml"
    file.write_text(
        "defaults: {probe: off, settle: 0, to: '{owner}/{name}-merged'}\n"
        "watch: [{owner: bot, except: two}]\n"
    )

    def sync(*words: str) -> tuple[int, str, str]:
        line = [sys.executable, "-m", "adapter_merge", "sync", *words]
        ended = subprocess.run(
            line, cwd=shelf.root, env=on(shelf), capture_output=True, text=True, check=False
        )
        return ended.returncode, ended.stdout, ended.stderr

    code, out, _ = sync("--json", "--quiet")
    assert (code, json.loads(out)["to"]) == (0, "bot/one-merged")
    assert len(shelf.titles("bot/one-merged")) == 1
    file.write_text("watch: [{owner: nobody, to: 'bot/{name}-merged'}]\n")
    code, out, talk = sync()
    assert (code, out) == (0, "")
    assert "no adapter is there that `watch` takes" in talk
    code, _, talk = sync("--only", "bot/*")
    assert code == 2
    assert "Nothing that it watches is there." in talk


def on(shelf: Shelf) -> dict[str, str]:
    """The environment of a program that asks this Hub."""
    of_hub = {"HF_ENDPOINT": shelf.hub.url, "HF_TOKEN": "hf_bot", "HF_HUB_DISABLE_XET": "1"}
    return {**os.environ, **of_hub, "HF_HOME": str(shelf.root / "home")}


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_each_target_merged_once_by_the_next(shelf: Shelf) -> None:
    entries = "".join(f"- {{adapter: bot/{n}, to: bot/{n}-merged}}\n" for n in NAMES)
    head = "defaults: {probe: off, settle: 0}\nmerges:\n"
    (shelf.root / "merges.yaml").write_text(head + entries)
    environment = on(shelf)
    line = [sys.executable, "-m", "adapter_merge", "sync", "--quiet"]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(line, cwd=shelf.root, env=environment)

    begin = time.monotonic()
    assert start().wait() == 0
    whole = time.monotonic() - begin
    for number in range(4):
        for name in NAMES:
            shelf.adapter(f"bot/{name}", lora_alpha=3 + number)
        process = start()
        time.sleep(whole * (number + 1) / 5)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert start().wait() == 0
        for name in NAMES:
            merged = f"bot/{name}-merged"
            made = [t for t in shelf.titles(merged) if t.startswith("Merge")]
            assert len(made) == number + 2
            assert shelf.receipt(merged)["adapters"][0]["commit"] == shelf.hub.head(f"bot/{name}")
            tags = {t.target_commit for t in shelf.api.list_repo_refs(merged).tags}
            assert shelf.hub.head(merged) in tags
