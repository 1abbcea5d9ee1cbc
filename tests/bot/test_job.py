"""`bot job`: what of a merges.yaml is done, by what was pushed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapter_merge import assemble
from adapter_merge.bot import events, job
from adapter_merge.bot.job import Task
from adapter_merge.errors import RequestError
from adapter_merge.localhub import Fault, LocalHub, Status
from adapter_merge.ports import Silent
from tests.reconcile.conftest import Shelf, shelf

__all__ = ["shelf"]

DOCUMENT = b"""merges:
- {adapter: org/one, to: org/one-merged}
- {adapter: [org/one, org/two], to: org/both}
- {adapter: org/three, to: ./three}
"""


def payload(repo: str = "org/one", ref: str = "refs/heads/main", **event: str) -> str:
    told = {
        "event": {"action": "update", "scope": "repo.content", **event},
        "repo": {"type": "model", "name": repo, "headSha": "a" * 40},
        "updatedRefs": [{"ref": ref, "oldSha": "b" * 40, "newSha": "a" * 40}],
    }
    return json.dumps(told)


def meant(**task: Any) -> list[str] | str:
    found = job._entries(Task(document=DOCUMENT, **task))
    return found if isinstance(found, str) else [entry.label for entry in found]


def test_without_a_payload_all_are_meant() -> None:
    assert meant() == ["org/one-merged", "org/both", "./three"]


def test_a_push_means_the_entries_that_read_it() -> None:
    assert meant(payload=payload()) == ["org/one-merged", "org/both"]
    assert meant(payload=payload("Org/Two")) == ["org/both"]


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (payload("stranger/one"), "nothing here is made from that repository"),
        (payload("org/both"), "writes to that repository itself"),
        (payload(ref="refs/pr/1"), "no branch or tag moved that counts"),
        (payload(scope="discussion"), "isn't about changed files"),
    ],
)
def test_all_else_is_nothing_with_its_reason(told: str, says: str) -> None:
    found = meant(payload=told)
    assert isinstance(found, str)
    assert says in found


@pytest.mark.parametrize("told", ["", "{", "[]", "[" * 100_000])
def test_a_payload_that_is_none(told: str) -> None:
    with pytest.raises(RequestError, match="`WEBHOOK_PAYLOAD` can't be used"):
        meant(payload=told)


def test_results_for_a_hub_are_made_where_it_says(tmp_path: Path) -> None:
    own = b"- {adapter: org/four, to: org/four-merged, work-dir: ./own}\n"
    found = job._entries(Task(document=DOCUMENT + own, work_dir=tmp_path))
    assert [str(e.request.work_dir) for e in found if not isinstance(e, str)] == [
        str(tmp_path),
        str(tmp_path),
        "None",
        "own",
    ]


def test_the_document(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_bytes(b"file")
    known = {"ADAPTER_MERGE_MERGES": "text"}
    assert job.document_of(tmp_path / "m.yaml", known, lambda: b"in") == b"file"
    assert job.document_of(Path("-"), known, lambda: b"in") == b"in"
    assert job.document_of(None, known, lambda: b"in") == b"text"
    for file, environ in ((None, {}), (tmp_path / "none", known)):
        with pytest.raises(RequestError, match=r"no merges.yaml|can't be read"):
            job.document_of(file, environ, lambda: b"in")


def test_what_could_not_be_looked_at_is_told_to_programs() -> None:
    lines: list[str] = []
    with pytest.raises(RequestError):
        job.work(Task(document=b"merges: 1"), reporter=Silent(), tell=lines.append)
    (report,) = (json.loads(line)["adapter-merge"]["report"] for line in lines)
    assert (report["status"], report["error"]["code"]) == ("failed", 2)


@pytest.mark.parametrize(
    ("times", "statuses"), [(1, ["failed", "merged"]), (2, ["failed", "failed"])]
)
def test_a_target_that_somebody_was_faster_at_is_looked_at_once_more(
    shelf: Shelf, times: int, statuses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = shelf.machine()
    monkeypatch.setattr(assemble, "this_machine", lambda: machine)
    moved = Status(status=412, body=b'{"error": "The branch has moved"}')
    shelf.hub.fail(Fault(on="POST /api/models/bot/one-merged/commit", does=moved, times=times))
    entry = "- {adapter: bot/one, to: bot/one-merged, when: push, probe: off, workers: 1}"
    lines: list[str] = []
    reports = job.work(
        Task(document=f"merges: [{entry[2:]}]".encode()), reporter=Silent(), tell=lines.append
    )
    told = [events.read(line) for line in lines]
    assert [t["status"] for t in told if isinstance(t, dict)] == statuses
    assert [r.status for r in reports if not isinstance(r, str)] == statuses[-1:]


def run(*words: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "adapter_merge", "bot", "job", *words],
        input=stdin,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_ends_at_once_without_a_payload() -> None:
    done = run(ADAPTER_MERGE_MERGES="no yaml: [")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing was pushed" in done.stderr


def test_the_command_reads_standard_input_and_fails_where_that_ends_early() -> None:
    done = run("--events", "--merges", "-")
    assert done.returncode == 2
    assert json.loads(done.stdout)["adapter-merge"]["report"]["error"]["type"] == "RequestError"


def test_the_command_does_what_was_pushed(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "hub") as hub:
        hub.add_user("org", "hf_org")
        known = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_org", "HF_HOME": str(tmp_path / "home")}
        known["ADAPTER_MERGE_MERGES"] = DOCUMENT.decode()
        stranger = run(**known, WEBHOOK_PAYLOAD=payload("stranger/one"))
        assert (stranger.returncode, stranger.stdout) == (0, "")
        assert "nothing here is made" in stranger.stderr
        assert hub.requests == ()
        pushed = run(**known, WEBHOOK_PAYLOAD=payload())
    assert pushed.returncode == 10  # there is no such adapter
    assert pushed.stdout == ""
    assert "org/both" in pushed.stderr
    assert "three" not in pushed.stderr
